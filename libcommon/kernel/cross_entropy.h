/*
 * cross_entropy - the loss of one row of logits, and its gradient
 *
 * loss = log(sum exp(x_i)) - x_target, in f64: the largest logit m is taken
 * out, exp(x_i - m) is math_exp() in f32, summed in 16 partial sums (i mod
 * 16) of f32 over each 256 elements and in f64 from there on. A row depends
 * on no other: threads take rows. Every variant gives the bits of the plain C
 * one. Call as kernels()->cross_entropy(...), kernel/table.h.
 *
 * A logit that is not finite makes a loss that is not finite; nothing else
 * is promised then.
 */
#ifndef KERNEL_CROSS_ENTROPY_H
#define KERNEL_CROSS_ENTROPY_H

#include <stddef.h>

/* The loss; target < n. */
typedef double cross_entropy_fn(const float *logits, size_t n, size_t target);
cross_entropy_fn cross_entropy_c, cross_entropy_avx2, cross_entropy_avx512;

/* The loss, and logits overwritten with scale (softmax - onehot(target)). */
typedef double cross_entropy_backward_fn(float *logits, size_t n,
					 size_t target, float scale);
cross_entropy_backward_fn cross_entropy_backward_c,
	cross_entropy_backward_avx2, cross_entropy_backward_avx512;

#endif
