/*
 * AdaLoRA: y += s drop(x) A^T diag(E) B^T (Zhang et al. 2023,
 * arXiv:2303.10512; A is the paper's Q, E its Lambda, B its P), with
 * s = alpha / (rank + 1e-5), the rank that the adapter was made with, as PEFT
 * has it. It is LoRA with B diag(E) in the place of B, whose gradient G gives
 * dB = G diag(E) and dE_i = sum of G_:,i B_:,i.
 *
 * The penalty, w / 2 (|A A^T - I| + |B^T B - I|), mean over the adapters,
 * keeps A and B near orthogonal, so that E are singular values. Moving
 * averages of |p dp| and of its spread say what a rank is worth:
 *
 *   I = b1 I + (1 - b1) |p dp|;  U = b2 U + (1 - b2) | |p dp| - I |
 *
 * with p after the optimizer's step and dp the gradient that it saw.
 */
#include "adapt/adapt_kind.h"
#include "adapt/adalora.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "adapt/adapt_lora.h"
#include "base/size.h"

/* A key of the config; absent: otherwise. */
static uint64_t steps_of(json_t *config, const char *key, uint64_t otherwise)
{
	json_t *v = json_object_get(config, key);

	return json_is_integer(v) && json_integer_value(v) >= 0 ?
		       (uint64_t)json_integer_value(v) : otherwise;
}

static void schedule_of(struct adalora *own, json_t *config)
{
	static const char *const key[] = { "tinit", "tfinal", "delta_t" };
	size_t rank = (size_t)json_number(config, "r", 8);

	for (size_t i = 0; i < NELEM(key); i++)
		own->schedule[i] = steps_of(config, key[i], UINT64_MAX);
	own->target = (size_t)steps_of(config, "target_r",
				       size_max(1, 2 * rank / 3));
}

static int shape_own(struct adapter *a, json_t *config)
{
	struct adalora *own = a->own;
	size_t n = a->out * a->rank;

	own->beta1 = (float)json_number(config, "beta1", 0.85);
	own->beta2 = (float)json_number(config, "beta2", 0.85);
	own->orthogonal = (float)json_number(config, "orth_reg_weight", 0.5);
	schedule_of(own, config);
	a->own_bytes = 2 * n * sizeof(*own->be);
	own->be = calloc(2 * n, sizeof(*own->be));
	if (!own->be)
		return err_set(E_NOMEM, "out of memory");
	own->be_grad = own->be + n;
	return 0;
}

static int adalora_shape(struct adapter *a, const struct adapter_options *o)
{
	static const char *const average[] = {
		"lora_A_ipt", "lora_A_unc", "lora_B_ipt", "lora_B_unc",
		"lora_E_ipt", "lora_E_unc",
	};
	size_t made = o->made_rank ? o->made_rank : o->rank;

	a->own = calloc(1, sizeof(struct adalora));
	if (!a->own)
		return err_set(E_NOMEM, "out of memory");
	if (o->rslora)
		return err_set(E_CONFIG, "AdaLoRA divides alpha by the rank "
			       "only; leave --rslora out");
	TRY(lora_shape(a, o));
	a->scale = (float)(o->alpha / ((double)made + 1e-5));
	adapter_param_add(a, "lora_E", a->rank, 1);
	for (size_t i = 0; i < NELEM(average); i++) {
		const struct adapter_param *p = &a->param[i / 2];

		adapter_param_add(a, average[i], p->rows, p->cols);
		a->param[ADALORA_AVERAGES + i].state = 1;
	}
	adapter_param_add(a, "lora_E_pruned", a->rank, 1);
	a->param[ADALORA_PRUNED].state = 1;
	return shape_own(a, o->extra);
}

/* A and B normal, of deviation 0.02; E zero. */
static int adalora_init(struct adapter *a, const struct weight *w,
			uint64_t seed)
{
	(void)w;
	for (size_t k = LORA_A; k <= LORA_B; k++)
		adapter_init_normal(a, k, 0.02f, seed);
	memset(a->param[ADALORA_E].at, 0, a->rank * sizeof(float));
	return 0;
}

/* to (n, rank): rows of B diag(E). */
static void scaled_b(const struct adapter *a, float *to, size_t row, size_t n)
{
	const float *b = a->param[LORA_B].at + row * a->rank;
	const float *e = a->param[ADALORA_E].at;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < a->rank; k++)
			to[i * a->rank + k] = b[i * a->rank + k] * e[k];
}

/* a as LoRA with be (rows, rank) for B. */
static void set_view(struct adapter *view, const struct adapter *a, float *be,
		     size_t rows)
{
	*view = *a;
	view->param[LORA_B].at = be;
	view->param[LORA_B].dense = (struct gemm_dense){ be, rows, a->rank,
							 a->rank };
}

static void adalora_forward(const struct adapter *a,
			    const struct adapt_pass *p, struct mat x,
			    struct gemm_output *y)
{
	struct adalora *own = a->own;

	scaled_b(a, own->be, 0, a->out);
	set_view(&own->view, a, own->be, a->out);
	lora_forward(&own->view, p, x, y);
}

/* dB and dE, of one sequence. */
static void add_sequence(const struct adapter *a, const struct adapt_pass *p,
			 struct mat dy, struct mat h, const size_t *start)
{
	const struct adalora *own = a->own;
	const float *b = a->param[LORA_B].at, *e = a->param[ADALORA_E].at;
	float *db = a->param[LORA_B].grad, *de = a->param[ADALORA_E].grad;
	size_t r = a->rank;

	memset(own->be_grad, 0, a->out * r * sizeof(float));
	gemm_tn(p->pool, own->be_grad, r, dy.at, dy.stride, a->out, h.at,
		h.stride, r, start, 1);
	for (size_t o = 0; o < a->out; o++)
		for (size_t k = 0; k < r; k++) {
			float g = own->be_grad[o * r + k];

			db[o * r + k] += g * e[k];
			de[k] += g * b[o * r + k];
		}
}

static void adalora_backward(const struct adapter *a,
			     const struct adapt_pass *p, struct mat dy,
			     struct mat x, struct gemm_output *dx)
{
	const struct adalora *own = a->own;
	const size_t *start;
	size_t whole[2], n = adapter_sequences(p, dy.rows, whole, &start);

	for (size_t i = 0; i < n; i++)
		add_sequence(a, p, dy, lora_kept(a, p, dy.rows), start + i);
	lora_backward_input(&own->view, p, dy, x, dx);
}

static void adalora_finish(const struct adapter *a, const struct adapt_pass *p,
			   struct mat dy, struct mat x, struct mat dx)
{
	lora_finish(&((const struct adalora *)a->own)->view, p, dy, x, dx);
}

static int adalora_merge(const struct adapter *a, const struct weight *w,
			 float scale, float *dst, size_t row, size_t n)
{
	float *be = malloc(n * a->rank * sizeof(*be));
	struct adapter view;
	int err;

	if (!be)
		return err_set(E_NOMEM, "out of memory");
	scaled_b(a, be, row, n);
	set_view(&view, a, be, n);
	err = lora_merge(&view, w, scale, dst, 0, n);
	free(be);
	return err;
}

static void adalora_factors(const struct adapter *a, float *to_a, float *to_b)
{
	memcpy(to_a, a->param[LORA_A].at, a->rank * a->in * sizeof(float));
	scaled_b(a, to_b, 0, a->out);
}

static const char *adalora_peft_name(const struct adapter *a, size_t i)
{
	return a->param[i].name;
}

/* ---- the penalty ---- */

/* g (rank, rank) becomes weight / |g - I| (g - I); returns |g - I|. */
static double to_slope(float *g, size_t rank, double weight)
{
	double sum = 0, norm;
	size_t n = rank * rank;

	for (size_t i = 0; i < rank; i++)
		g[i * rank + i] -= 1;
	for (size_t i = 0; i < n; i++)
		sum += (double)g[i] * (double)g[i];
	norm = sqrt(sum);
	for (size_t i = 0; i < n; i++)
		g[i] = norm > 0 ? (float)((double)g[i] * (weight / norm)) : 0;
	return norm;
}

/* y (m, n) += or = x W. */
static void product(void *space, float *y, size_t n, int add, struct mat x,
		    const struct gemm_dense *w, enum gemm_use use)
{
	struct gemm_output o = { .y = y, .stride = n, .n = n, .add = add,
				 .nterm = 1, .term = {
		{ x.at, x.stride, x.cols, gemm_pack_dense, w, use, NULL } } };

	gemm(NULL, space, x.rows, &o, 1);
}

static int adalora_penalty(struct adapter *a, double weight, double *value)
{
	const struct adalora *own = a->own;
	const struct adapter_param *pa = &a->param[LORA_A];
	const struct adapter_param *pb = &a->param[LORA_B];
	size_t r = a->rank, square = size_align(r * r * sizeof(float), 64);
	size_t space = size_max(gemm_space(NULL, r, a->in + r, 1),
				gemm_space(NULL, a->out, r, 1));
	float *g = aligned_alloc(64, square + size_align(space, 64));
	struct gemm_dense d = { g, r, r, r };
	double norm;

	if (!g)
		return err_set(E_NOMEM, "out of memory");
	product((char *)g + square, g, r, 0, mat_of(pa->at, r, a->in),
		&pa->dense, GEMM_NT);
	norm = to_slope(g, r, weight * (double)own->orthogonal);
	product((char *)g + square, pa->grad, a->in, 1, mat_of(g, r, r),
		&pa->dense, GEMM_NN);
	memset(g, 0, square);
	gemm_tn(NULL, g, r, pb->at, r, r, pb->at, r, r,
		(size_t[]){ 0, a->out }, 1);
	norm += to_slope(g, r, weight * (double)own->orthogonal);
	product((char *)g + square, pb->grad, r, 1, mat_of(pb->at, a->out, r),
		&d, GEMM_NN);
	free(g);
	*value = (double)own->orthogonal / 2 * norm;
	return 0;
}

/* ---- between steps ---- */

static void average(const struct adalora *own, const struct adapter_param *p,
		    float *ipt, float *unc, float scale)
{
	for (size_t k = 0; k < p->rows * p->cols; k++) {
		float now = fabsf(p->at[k] * (p->grad[k] * scale));

		ipt[k] = own->beta1 * ipt[k] + (1 - own->beta1) * now;
		unc[k] = own->beta2 * unc[k] +
			 (1 - own->beta2) * fabsf(now - ipt[k]);
	}
}

static void adalora_moved(struct adapter *a, float scale)
{
	for (size_t k = 0; k < 3; k++)
		average(a->own, &a->param[k],
			a->param[ADALORA_AVERAGES + 2 * k].at,
			a->param[ADALORA_AVERAGES + 2 * k + 1].at, scale);
}

static int adalora_settle(struct adapter_set *s, struct adapt_step *at)
{
	struct adalora_place p;

	adalora_place(&p, s, at->done, at->all);
	for (size_t i = 0; i < s->n && !p.frozen; i++)
		if (s->at[i].kind == &adapt_adalora)
			adalora_moved(&s->at[i], at->scale);
	at->final |= p.final;
	if (p.due && !at->elsewhere)
		return adalora_prune(s, p.budget);
	if (p.frozen)
		adalora_keep_pruned(s);
	return 0;
}

static void adalora_release(struct adapter *a)
{
	struct adalora *own = a->own;

	if (own)
		free(own->be);
	free(own);
}

const struct adapter_kind adapt_adalora = {
	.name = "adalora",
	.mark = "lora_A",
	.shape = adalora_shape,
	.init = adalora_init,
	.forward = adalora_forward,
	.backward = adalora_backward,
	.finish = adalora_finish,
	.merge = adalora_merge,
	.by_sequence = 1,
	.merge_adds = 1,
	.scales = 1,
	.factors = adalora_factors,
	.keys = "target_r tinit tfinal delta_t orth_reg_weight",
	.peft_name = adalora_peft_name,
	.penalty = adalora_penalty,
	.check = adalora_check,
	.settle = adalora_settle,
	.release = adalora_release,
};
