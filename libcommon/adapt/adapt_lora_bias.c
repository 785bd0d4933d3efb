/*
 * LoRA with a bias on B (PEFT's lora_bias): y += s (B A drop(x) + b), b (out)
 * zero at first. It is LoRA of one rank more whose last element of h is the
 * constant s and whose last column of B is b; so keep is h (n, rank), then that
 * column.
 */
#include "adapt/adapt_kind.h"
#include "adapt/adapt_lora.h"

#include <string.h>

enum { BIAS = LORA_B + 1 };

static int lora_bias_shape(struct adapter *a, const struct adapter_options *o)
{
	TRY(lora_shape(a, o));
	a->keep++;
	adapter_param_add(a, "lora_B_bias", 1, a->out);
	a->param[BIAS].plus = 1;
	a->param[BIAS].no_decay = 1;
	return 0;
}

static int lora_bias_init(struct adapter *a, const struct weight *w,
			  uint64_t seed)
{
	memset(a->param[BIAS].at, 0, a->out * sizeof(float));
	return lora_init(a, w, seed);
}

/* The column of h that is s. */
static struct mat constant(const struct adapter *a, const struct adapt_pass *p,
			   size_t n)
{
	struct mat c = mat_cols(p->keep, a->rank, 1);

	c.rows = n;
	return c;
}

static void lora_bias_forward(const struct adapter *a,
			      const struct adapt_pass *p, struct mat x,
			      struct gemm_output *y)
{
	struct mat c = constant(a, p, x.rows);

	for (size_t i = 0; i < c.rows; i++)
		*mat_row(c, i) = a->scale;
	lora_forward(a, p, x, y);
	lora_term(a, y, c, BIAS, GEMM_NN);
}

static void lora_bias_backward(const struct adapter *a,
			       const struct adapt_pass *p, struct mat dy,
			       struct mat x, struct gemm_output *dx)
{
	adapter_gradient(p, a->param[BIAS].grad, a->out,
			 constant(a, p, x.rows), dy);
	lora_backward(a, p, dy, x, dx);
}

static void lora_bias_merge_bias(const struct adapter *a, float scale,
				 float *dst)
{
	for (size_t i = 0; i < a->out; i++)
		dst[i] += scale * a->scale * a->param[BIAS].at[i];
}

static const char *lora_bias_peft_name(const struct adapter *a, size_t i)
{
	return i == BIAS ? "lora_B.bias" : lora_peft_name(a, i);
}

const struct adapter_kind adapt_lora_bias = {
	.name = "lora_bias",
	.mark = "lora_A",
	.shape = lora_bias_shape,
	.init = lora_bias_init,
	.forward = lora_bias_forward,
	.backward = lora_bias_backward,
	.finish = lora_finish,
	.merge = lora_merge,
	.merge_bias = lora_bias_merge_bias,
	.by_sequence = 1,
	.merge_adds = 1,
	.scales = 1,
	.starts = 1,
	.peft_name = lora_bias_peft_name,
};
