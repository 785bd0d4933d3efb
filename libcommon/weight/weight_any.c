/* weight_any - whatever else can be decoded, run by run */
#include <string.h>

#include "base/size.h"
#include "kernel/table.h"
#include "weight/format.h"
#include "weight/gguf_blocks.h"
#include "weight/storage.h"

enum { WIDE = 8 * 96 };         /* columns at once; 96: panels and units */

static int match(const struct tensor *t)
{
	return t->node[0].kind != STORE_RAW || dtype_is_float(t->dtype);
}

static int bind(struct weight *w)
{
	w->group = w->tensor->node[0].block;
	return 0;
}

/* Elements as they lie; weight_code8 has looked up a format of blocks, other
 * formats have none. */
static inline void decode(const struct weight *w, float *dst, size_t first,
			  size_t n)
{
	if (w->part[1])
		storage_decode_blocks(w->part[1], w->part[0], dst, first, n);
	else
		storage_decode(w->tensor, 0, dst, first, n);
}

void weight_any_rows(const struct weight *w, float *dst, size_t row, size_t n)
{
	decode(w, dst, row * w->cols, n * w->cols);
}

/* Forward: a panel's columns are rows of w, which are decoded as they lie. */
static void pack_nt(const struct weight *w, float *dst, size_t k0, size_t nk,
		    size_t n0, size_t nn)
{
	float run[GEMM_NR * GEMM_KC];

	for (size_t j = 0; j < nn; j++)
		decode(w, run + j * nk, (n0 + j) * w->cols + k0, nk);
	kernels()->pack_f32_nt(dst, run, nk, nk, nn);
}

/* Backward: a row of w is one k of many panels. They are as wide as whole
 * units of 32 are, and so begin with one where w's rows do. */
static void pack_nn(const struct weight *w, float *dst, size_t k0, size_t nk,
		    size_t n0, size_t nn)
{
	float run[WIDE];

	for (size_t k = 0; k < nk; k++, dst += GEMM_NR) {
		float *to = dst;

		decode(w, run, (k0 + k) * w->cols + n0, nn);
		for (size_t j = nn; j % GEMM_NR; j++)
			run[j] = 0;
		for (size_t j = 0; j < nn; j += GEMM_NR, to += GEMM_NR * nk)
			memcpy(to, run + j, GEMM_NR * sizeof(*to));
	}
}

void weight_any_pack(const void *weight, float *dst, size_t k0, size_t k1,
		     size_t n0, size_t n1, enum gemm_use use)
{
	const struct weight *w = weight;
	size_t nk = k1 - k0, n, most = use == GEMM_NT ? GEMM_NR : WIDE;

	for (; n0 < n1; n0 += n, dst += n * nk) {
		n = most - n0 % most;
		if (use == GEMM_NT)
			pack_nt(w, dst, k0, nk, n0, size_min(n1 - n0, n));
		else
			pack_nn(w, dst, k0, nk, n0, size_min(n1 - n0, n));
	}
}

const struct weight_format weight_any = { "coded", match, bind,
					  weight_any_pack,
					  weight_any_rows };
