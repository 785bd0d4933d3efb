/*
 * norm - a row divided by its size: RMSNorm and LayerNorm, both directions
 *
 * Rows are n, of d elements, each matrix with its own stride (in floats, from
 * a row to the next). A row depends on no other, so several threads may take
 * rows of one matrix; only dgain and dbias are sums over rows, in their
 * order: give each block of rows its own, and add those in order.
 *
 * Sums over a row: element i goes to partial sum i mod 16 by fma, then the
 * tree of kernel/lanes.h. Within 1e-6 of f64, relative to the row's largest,
 * for d <= 16384. Call as kernels()->rmsnorm(...), kernel/table.h.
 *
 * Gemma's gain is 1 + g: give it so.
 */
#ifndef KERNEL_NORM_H
#define KERNEL_NORM_H

#include <stddef.h>

/*
 * y = (x r) g with r = 1 / sqrt(mean(x^2) + eps): Zhang & Sennrich 2019,
 * arXiv:1910.07467, eq. 4.
 *
 *   y     out  (n, d)  may be x
 *   rrms  out  (n)     r, which backward reads; may be NULL
 *   x     in   (n, d)
 *   gain  in   (d)
 */
typedef void rmsnorm_fn(float *y, size_t ystride, float *rrms, const float *x,
			size_t xstride, const float *gain, float eps, size_t n,
			size_t d);
rmsnorm_fn rmsnorm_c, rmsnorm_avx2, rmsnorm_avx512;

/*
 * dx = r (g dy - x r^2 mean(g dy x)); dgain += sum over rows of dy x r
 *
 *   dx     out  (n, d)  add: increased by it, else overwritten; may be dy or x
 *   dgain  out  (d)     added to; NULL: not wanted
 *   dy     in   (n, d)
 *   x      in   (n, d)  forward's
 *   gain   in   (d)
 *   rrms   in   (n)     forward's
 */
typedef void rmsnorm_backward_fn(float *dx, size_t dxstride, int add,
				 float *dgain, const float *dy,
				 size_t dystride, const float *x,
				 size_t xstride, const float *gain,
				 const float *rrms, size_t n, size_t d);
rmsnorm_backward_fn rmsnorm_backward_c, rmsnorm_backward_avx2,
	rmsnorm_backward_avx512;

/*
 * y = (x - m) r g + b with m = mean(x), r = 1 / sqrt(mean((x - m)^2) + eps):
 * Ba et al. 2016, arXiv:1607.06450.
 *
 *   y      out  (n, d)   may be x
 *   stats  out  (n, 2)   m and r of each row; may be NULL
 *   bias   in   (d)      NULL: none
 */
typedef void layernorm_fn(float *y, size_t ystride, float *stats,
			  const float *x, size_t xstride, const float *gain,
			  const float *bias, float eps, size_t n, size_t d);
layernorm_fn layernorm_c, layernorm_avx2, layernorm_avx512;

/* With z = (x - m) r: dx = r (g dy - mean(g dy) - z mean(g dy z)); dgain +=
 * dy z, dbias += dy over the rows, either may be NULL. dx as for rmsnorm. */
typedef void layernorm_backward_fn(float *dx, size_t dxstride, int add,
				   float *dgain, float *dbias, const float *dy,
				   size_t dystride, const float *x,
				   size_t xstride, const float *gain,
				   const float *stats, size_t n, size_t d);
layernorm_backward_fn layernorm_backward_c, layernorm_backward_avx2,
	layernorm_backward_avx512;

#endif
