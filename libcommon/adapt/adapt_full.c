/*
 * A weight that is trained whole, in the place of the base's: PEFT's
 * modules_to_save. W is f32 (out, in); y = x W^T, dW += dy^T x.
 */
#include "adapt/adapt_kind.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct full {
	struct tensor tensor;   /* W as a plain tensor; its data is param's */
	struct weight weight;
};

static int full_shape(struct adapter *a, const struct adapter_options *o)
{
	size_t shape[2] = { a->out, a->in };
	struct full *f = calloc(1, sizeof(*f));

	(void)o;
	a->own = f;
	if (!f)
		return err_set(E_NOMEM, "out of memory");
	a->scale = 1;
	adapter_param_add(a, "weight", a->out, a->in);
	return tensor_init(&f->tensor, a->module, a->role, DTYPE_F32, 2,
			   shape);
}

static int full_init(struct adapter *a, const struct weight *w, uint64_t seed)
{
	(void)seed;
	w->format->rows(w, a->param[0].at, 0, a->out);
	return 0;
}

static const struct weight *full_weight(const struct adapter *a)
{
	struct full *f = a->own;
	int err = 0;

	if (f->tensor.part[0].data != a->param[0].at) {
		f->tensor.part[0].data = a->param[0].at;
		err = weight_bind(&f->weight, &f->tensor);
	}
	assert(!err); /* every build can use a plain f32 matrix */
	(void)err;
	return &f->weight;
}

static void full_backward(const struct adapter *a, const struct adapt_pass *p,
			  struct mat dy, struct mat x, struct gemm_output *dx)
{
	(void)dx;
	adapter_gradient(p, a->param[0].grad, a->in, dy, x);
}

static void full_scatter(const struct adapter *a, const uint32_t *id,
			 struct mat dy)
{
	for (size_t i = 0; i < dy.rows; i++) {
		float *to = a->param[0].grad + id[i] * a->in;

		for (size_t j = 0; j < a->in; j++)
			to[j] += mat_row(dy, i)[j];
	}
}

static int full_merge(const struct adapter *a, const struct weight *w,
		      float scale, float *dst, size_t row, size_t n)
{
	const float *from = a->param[0].at + row * a->in;

	(void)w;
	if (scale == 1)
		memcpy(dst, from, n * a->in * sizeof(float));
	else
		for (size_t i = 0; i < n * a->in; i++)
			dst[i] += scale * (from[i] - dst[i]);
	return 0;
}

static const char *full_peft_name(const struct adapter *a, size_t i)
{
	return a->param[i].name;
}

static void full_release(struct adapter *a)
{
	struct full *f = a->own;

	if (f) {
		f->tensor.part[0].data = NULL; /* the set's */
		tensor_release(&f->tensor);
	}
	free(f);
}

const struct adapter_kind adapt_full = {
	.name = "full",
	.mark = "weight",
	.list = "modules_to_save",
	.needs_weight = 1,
	.shape = full_shape,
	.init = full_init,
	.weight = full_weight,
	.backward = full_backward,
	.scatter = full_scatter,
	.by_sequence = 1,
	.merge = full_merge,
	.peft_name = full_peft_name,
	.release = full_release,
};
