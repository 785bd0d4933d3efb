/* mat - a view of an f32 matrix, row by row; owns nothing, copied freely */
#ifndef TENSOR_MAT_H
#define TENSOR_MAT_H

#include <stddef.h>

struct mat {
	float *at;              /* NULL: there is none */
	size_t rows, cols;
	size_t stride;          /* floats from a row to the next, >= cols */
};

static inline struct mat mat_of(float *at, size_t rows, size_t cols)
{
	return (struct mat){ at, rows, cols, cols };
}

static inline float *mat_row(struct mat m, size_t row)
{
	return m.at + row * m.stride;
}

/* Columns [first, first + n) of m; of a matrix without memory: without. */
static inline struct mat mat_cols(struct mat m, size_t first, size_t n)
{
	return (struct mat){ m.at ? m.at + first : m.at, m.rows, n, m.stride };
}

static inline struct mat mat_rows(struct mat m, size_t first, size_t n)
{
	return (struct mat){ m.at + first * m.stride, n, m.cols, m.stride };
}

#endif
