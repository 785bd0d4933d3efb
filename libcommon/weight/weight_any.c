/* weight_any - whatever else can be decoded, run by run */
#include "base/size.h"
#include "kernel/table.h"
#include "weight/format.h"
#include "weight/storage.h"

static int match(const struct tensor *t)
{
	return t->node[0].kind != STORE_RAW || dtype_is_float(t->dtype);
}

static int bind(struct weight *w)
{
	w->group = w->tensor->node[0].block;
	return 0;
}

void weight_any_rows(const struct weight *w, float *dst, size_t row, size_t n)
{
	storage_decode(w->tensor, 0, dst, row * w->cols, n * w->cols);
}

/* A panel at a time: its elements are decoded as they lie, then packed. */
void weight_any_pack(const void *weight, float *dst, size_t k0, size_t k1,
		     size_t n0, size_t n1, enum gemm_use use)
{
	const struct weight *w = weight;
	float run[GEMM_NR * GEMM_KC];
	size_t nk = k1 - k0;

	for (; n0 < n1; n0 += GEMM_NR, dst += GEMM_NR * nk) {
		size_t nn = size_min(n1 - n0, GEMM_NR);

		if (use == GEMM_NT) {
			for (size_t j = 0; j < nn; j++)
				storage_decode(w->tensor, 0, run + j * nk,
					       (n0 + j) * w->cols + k0, nk);
			kernels()->pack_f32_nt(dst, run, nk, nk, nn);
		} else {
			for (size_t k = 0; k < nk; k++)
				storage_decode(w->tensor, 0, run + k * nn,
					       (k0 + k) * w->cols + n0, nn);
			kernels()->pack_f32_nn(dst, run, nn, nk, nn);
		}
	}
}

const struct weight_format weight_any = { "coded", match, bind,
					  weight_any_pack,
					  weight_any_rows };
