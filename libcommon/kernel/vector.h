/*
 * vector - arrays of f32, element by element, and sums over them
 *
 * Call as kernels()->vexp(...), kernel/table.h. Every variant gives the bits
 * of the plain C one. No alignment is needed; n may be 0. The output may be
 * an input, but may not overlap one otherwise.
 */
#ifndef KERNEL_VECTOR_H
#define KERNEL_VECTOR_H

#include <stddef.h>

/* y = math_exp(x), to the bit. */
typedef void vexp_fn(float *y, const float *x, size_t n);
vexp_fn vexp_c, vexp_avx2, vexp_avx512;

/* y = a + b */
typedef void vadd_fn(float *y, const float *a, const float *b, size_t n);
vadd_fn vadd_c, vadd_avx2;

/* y = s x */
typedef void vscale_fn(float *y, const float *x, float s, size_t n);
vscale_fn vscale_c, vscale_avx2;

/* y = fma(s, x, y) */
typedef void vaxpy_fn(float *y, float s, const float *x, size_t n);
vaxpy_fn vaxpy_c, vaxpy_avx2;

/* Sum of x^2, in f64: element i is added to partial sum i mod 16, and those
 * are added by the tree of kernel/lanes.h. */
typedef double sum_squares_fn(const float *x, size_t n);
sum_squares_fn sum_squares_c, sum_squares_avx2;

#endif
