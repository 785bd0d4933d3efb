/*
 * adamw - one step of AdamW (Loshchilov & Hutter 2017, arXiv:1711.05101) over
 * an array, in the order and rounding of PyTorch's single-tensor path
 *
 *   g' = scale g                     clipping and 1 / label tokens
 *   p  = p (1 - lr wd)
 *   m  = fma(1 - b1, g' - m, m)
 *   v  = fma((1 - b2) g', g', v b2)
 *   p  = p + ((-lr / bc1) m) / (sqrt(v) / sqrt(bc2) + eps)
 *
 * with bc_i = 1 - b_i^t. Elements are independent. Call as
 * kernels()->adamw(...), kernel/table.h; every variant gives the same bits.
 */
#ifndef KERNEL_ADAMW_H
#define KERNEL_ADAMW_H

#include <stddef.h>
#include <stdint.h>

struct adamw {
	float scale;            /* of the gradient; adamw_at() sets 1 */
	float decay, rate1, beta2, rate2, root2, eps, step;
};

/* The numbers of step t = 1, 2, ...: computed in f64, rounded once. */
struct adamw adamw_at(double lr, double beta1, double beta2, double eps,
		      double weight_decay, uint64_t t);

/* p, m, v (n) are updated; g (n) is read. None overlap. */
typedef void adamw_fn(const struct adamw *a, float *p, float *m, float *v,
		      const float *g, size_t n);
adamw_fn adamw_c, adamw_avx2;

#endif
