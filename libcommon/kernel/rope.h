/*
 * rope - rotary position embedding (Su et al. 2021, arXiv:2104.09864), in the
 * half-split form of the Hugging Face models
 *
 * In each head the first 2 * half elements are rotated, element i with i +
 * half, by the angle of row pos and column i; the others stay. With c, s the
 * cosine and sine from the tables:
 *
 *   a' = fma(-b, s, a c)        inverse: a' = fma(b, s, a c)
 *   b' = fma( a, s, b c)                 b' = fma(-a, s, b c)
 *
 * The inverse is also the gradient. Call as kernels()->rope(...),
 * kernel/table.h; every variant gives the bits of rope_c.
 */
#ifndef KERNEL_ROPE_H
#define KERNEL_ROPE_H

#include <stddef.h>
#include <stdint.h>

/*
 *   x         inout  (n, heads, head_dim), stride floats from row to row
 *   cos, sin  in     (positions, half), from rope_table()
 *   pos       in     (n) rows of the tables; below their number
 */
struct rope {
	const float *cos, *sin;
	size_t half;            /* 2 * half <= head_dim */
	size_t heads, head_dim;
};

typedef void rope_fn(const struct rope *r, float *x, size_t stride,
		     const uint32_t *pos, size_t n, int inverse);
rope_fn rope_c, rope_avx2;

/*
 * The form of the original paper, as in Cohere's models: element 2 i of a head
 * is rotated with 2 i + 1, and the others stay. One variant for all processors.
 */
rope_fn rope_pairs;

/*
 * Fills the tables (positions, half) with scale cos(angle), scale sin(angle).
 * The angle is the f32 product of position and freq[i], as in the reference
 * implementations; its cosine is then taken in f64 and rounded.
 */
void rope_table(float *cos, float *sin, size_t positions, const float *freq,
		size_t half, float scale);

#endif
