/*
 * softcap - logits and scores kept within (-cap, cap)
 *
 *   softcap           y = cap tanh(x / cap)
 *   softcap_backward  dx = dy (1 - (y / cap)^2); add: dx is increased by it
 *
 * Gemma 2, 2024, arXiv:2408.00118. Arrays of n; an output may be an input.
 * Call as kernels()->softcap(...), kernel/table.h; every variant gives the
 * bits of the plain C one.
 */
#ifndef KERNEL_SOFTCAP_H
#define KERNEL_SOFTCAP_H

#include <stddef.h>

typedef void softcap_fn(float *y, const float *x, float cap, size_t n);
softcap_fn softcap_c, softcap_avx2, softcap_avx512;

typedef void softcap_backward_fn(float *dx, int add, const float *y,
				 const float *dy, float cap, size_t n);
softcap_backward_fn softcap_backward_c, softcap_backward_avx2,
	softcap_backward_avx512;

#endif
