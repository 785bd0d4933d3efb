#include "kernel/gemm.h"

#include "kernel/table.h"

void gemm_pack_dense(const void *w, float *dst, size_t k0, size_t k1,
		     size_t n0, size_t n1, enum gemm_use use)
{
	const struct gemm_dense *d = w;

	if (use == GEMM_NT)
		kernels()->pack_f32_nt(dst, d->at + n0 * d->stride + k0,
				       d->stride, k1 - k0, n1 - n0);
	else
		kernels()->pack_f32_nn(dst, d->at + k0 * d->stride + n0,
				       d->stride, k1 - k0, n1 - n0);
}
