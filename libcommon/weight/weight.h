/*
 * weight - a frozen matrix in whatever form it is stored
 *
 * W is (rows, cols) = (out, in). Above this folder nobody knows how W is
 * kept: a product asks for blocks of it (pack), a lookup or a merge for rows.
 * A storage is one row of functions in weight.c, one file weight_<name>.c.
 */
#ifndef WEIGHT_WEIGHT_H
#define WEIGHT_WEIGHT_H

#include "kernel/gemm.h"
#include "tensor/tensor.h"

struct weight_format;

struct weight {
	const struct weight_format *format;
	const struct tensor *tensor;    /* borrowed; its parts are loaded */
	size_t rows, cols;
	gemm_dot_fn *dot;               /* set by bind(), or NULL */
	enum gemm_compute compute;      /* of its products; bound: f32 */
	const void *part[4];            /* the format's own short cuts */
	size_t group;                   /* elements that share a scale */
};

struct weight_format {
	const char *name;               /* "nf4", "bf16" */

	/* Is this tensor stored so? */
	int (*match)(const struct tensor *t);

	/* Fills w (rows, cols, tensor are set). E_DATA: cannot be used as a
	 * product's weight, and why. */
	int (*bind)(struct weight *w) MUST_CHECK;

	/* See kernel/gemm.h; w is a const struct weight. */
	gemm_pack_fn *pack;

	/* Rows [row, row + n) as f32 to dst (n, cols). */
	void (*rows)(const struct weight *w, float *dst, size_t row,
		     size_t n);
};

/* E_DATA: not a matrix, or no format matches (the message says which storage
 * it has). A vector counts as one row. */
int weight_bind(struct weight *w, const struct tensor *t) MUST_CHECK;

/* Any storage, decoded: count values from element first on; tensors that
 * weight_bind() refuses (vectors, odd shapes) too. */
int weight_decode(const struct tensor *t, float *dst, size_t first,
		  size_t count) MUST_CHECK;

static inline struct gemm_term weight_term(const struct weight *w,
					   const float *x, size_t stride,
					   enum gemm_use use);

const struct weight_format *weight_format_at(size_t i); /* NULL: past it */

/* ---- the only definition that needs struct weight_format ---- */
static inline struct gemm_term weight_term(const struct weight *w,
					   const float *x, size_t stride,
					   enum gemm_use use)
{
	return (struct gemm_term){ x, stride,
				   use == GEMM_NT ? w->cols : w->rows,
				   w->format->pack, w, use, w->dot,
				   w->compute, 0 };
}

#endif
