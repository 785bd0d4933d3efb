/* weight_dense - f32, bf16 and f16 as they lie */
#include <string.h>

#include "kernel/table.h"
#include "weight/format.h"

static int is_raw(const struct tensor *t, enum dtype d)
{
	return t->node[0].kind == STORE_RAW &&
	       t->part[t->node[0].part].dtype == d;
}

static int bind(struct weight *w, gemm_dot_fn *dot)
{
	w->part[0] = w->tensor->part[w->tensor->node[0].part].data;
	w->dot = dot;
	return 0;
}

static void dot_f32(const void *weight, float *y, const float *x, size_t n0,
		    size_t n1, int first)
{
	const struct weight *w = weight;

	kernels()->dot_f32(y, x, (const float *)w->part[0] + n0 * w->cols,
			   w->cols, w->cols, n1 - n0, first);
}

static void dot_bf16(const void *weight, float *y, const float *x, size_t n0,
		     size_t n1, int first)
{
	const struct weight *w = weight;

	kernels()->dot_bf16(y, x, (const uint16_t *)w->part[0] + n0 * w->cols,
			    w->cols, w->cols, n1 - n0, first);
}

static void dot_f16(const void *weight, float *y, const float *x, size_t n0,
		    size_t n1, int first)
{
	const struct weight *w = weight;

	kernels()->dot_f16(y, x, (const uint16_t *)w->part[0] + n0 * w->cols,
			   w->cols, w->cols, n1 - n0, first);
}

static int bind_f32(struct weight *w)
{
	return bind(w, dot_f32);
}

static int bind_bf16(struct weight *w)
{
	return bind(w, dot_bf16);
}

static int bind_f16(struct weight *w)
{
	return bind(w, dot_f16);
}

static void rows_f32(const struct weight *w, float *dst, size_t row, size_t n)
{
	memcpy(dst, (const float *)w->part[0] + row * w->cols,
	       n * w->cols * sizeof(*dst));
}

static void rows_bf16(const struct weight *w, float *dst, size_t row, size_t n)
{
	kernels()->bf16_to_f32(dst, (const uint16_t *)w->part[0] +
			       row * w->cols, n * w->cols);
}

static void rows_f16(const struct weight *w, float *dst, size_t row, size_t n)
{
	kernels()->f16_to_f32(dst, (const uint16_t *)w->part[0] +
			      row * w->cols, n * w->cols);
}

/* The first element of a block. */
static size_t start(const struct weight *w, size_t k, size_t n,
		    enum gemm_use use)
{
	return use == GEMM_NT ? n * w->cols + k : k * w->cols + n;
}

static void pack_f32(const void *weight, float *dst, size_t k0, size_t k1,
		     size_t n0, size_t n1, enum gemm_use use)
{
	const struct weight *w = weight;
	const float *at = (const float *)w->part[0] + start(w, k0, n0, use);
	pack_f32_fn *pack = use == GEMM_NT ? kernels()->pack_f32_nt :
					     kernels()->pack_f32_nn;

	pack(dst, at, w->cols, k1 - k0, n1 - n0);
}

static void pack_bf16(const void *weight, float *dst, size_t k0, size_t k1,
		      size_t n0, size_t n1, enum gemm_use use)
{
	const struct weight *w = weight;
	const uint16_t *at = (const uint16_t *)w->part[0] +
			     start(w, k0, n0, use);
	pack_half_fn *pack = use == GEMM_NT ? kernels()->pack_bf16_nt :
					      kernels()->pack_bf16_nn;

	pack(dst, at, w->cols, k1 - k0, n1 - n0);
}

static void pack_f16(const void *weight, float *dst, size_t k0, size_t k1,
		     size_t n0, size_t n1, enum gemm_use use)
{
	const struct weight *w = weight;
	const uint16_t *at = (const uint16_t *)w->part[0] +
			     start(w, k0, n0, use);
	pack_half_fn *pack = use == GEMM_NT ? kernels()->pack_f16_nt :
					      kernels()->pack_f16_nn;

	pack(dst, at, w->cols, k1 - k0, n1 - n0);
}

static int is_f32(const struct tensor *t)
{
	return is_raw(t, DTYPE_F32);
}

static int is_bf16(const struct tensor *t)
{
	return is_raw(t, DTYPE_BF16);
}

static int is_f16(const struct tensor *t)
{
	return is_raw(t, DTYPE_F16);
}

const struct weight_format weight_f32 = {
	"f32", is_f32, bind_f32, pack_f32, rows_f32
};
const struct weight_format weight_bf16 = {
	"bf16", is_bf16, bind_bf16, pack_bf16, rows_bf16
};
const struct weight_format weight_f16 = {
	"f16", is_f16, bind_f16, pack_f16, rows_f16
};
