/*
 * QA-LoRA: y += s B A P(x), A (r, L), B (out, r), where P adds up the inputs of
 * each of the L groups that share a scale and a zero in the base, times c (Xu
 * et al. 2023, arXiv:2309.14717, algorithm 1). Every weight of a group in a
 * row gets the same increment s c (B A)[row, group], so that the update merges
 * into the zeros of an integer base, whose codes stay.
 *
 * c, the option qalora_pool: "mean" 1 / group (the authors' code, and ours if
 * nothing is said), "sum" 1 (the paper), "peft" L / group (PEFT's use_qalora).
 *
 * A acts as A' (r, in) with A'[k, i] = c A[k, i / group], in the product that
 * reads x anyway; dA = dh^T P(x). Dropout acts before P.
 */
#include "adapt/adapt_kind.h"
#include "adapt/lowrank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"

enum { A, B, ROWS = 16 };

struct qalora {
	size_t group;
	float pool;             /* c */
};

/* A' in panels, see gemm_pack_fn; w is the adapter. */
static void pack_a(const void *w, float *dst, size_t k0, size_t k1, size_t n0,
		   size_t n1, enum gemm_use use)
{
	const struct adapter *a = w;
	const struct qalora *q = a->own;
	const struct gemm_dense *d = &a->param[A].dense;
	size_t nk = k1 - k0;

	for (size_t p = n0; p < n1; p += GEMM_NR, dst += GEMM_NR * nk)
		for (size_t j = 0; j < GEMM_NR; j++)
			for (size_t k = 0; k < nk; k++) {
				size_t row = use == GEMM_NT ? p + j : k0 + k;
				size_t col = use == GEMM_NT ? k0 + k : p + j;

				dst[k * GEMM_NR + j] = p + j >= n1 ? 0 :
					q->pool * d->at[row * d->stride +
							col / q->group];
			}
}

static struct lowrank factors(const struct adapter *a)
{
	return (struct lowrank){
		.a = { pack_a, a },
		.b = { gemm_pack_dense, &a->param[B].dense },
	};
}

/* The group of an old adapter, of the options, or of the base. */
static int choose_group(struct qalora *q, const struct adapter *a,
			const struct adapter_options *o)
{
	double want = json_number(o->extra, "qalora_group_size", 0);

	q->group = o->cols && a->in % o->cols == 0 ? a->in / o->cols :
		   want > 0 ? (size_t)want : a->group;
	if (o->cols && (a->in % o->cols ||
			(want > 0 && (double)q->group != want)))
		return err_set(E_DATA, "A has %zu columns for %zu inputs in "
			       "groups of %g", o->cols, a->in, want);
	if (!q->group)
		return err_set(E_CONFIG, "the base has no groups for QA-LoRA "
			       "to pool over: quantise it with quantize-int, "
			       "or give --qalora-group-size");
	if (a->in % q->group)
		return err_set(E_CONFIG, "%zu inputs cannot be cut into groups "
			       "of %zu", a->in, q->group);
	if (!o->cols && a->group && q->group % a->group)
		return err_set(E_CONFIG, "groups of %zu inputs do not merge "
			       "into the base's of %zu; --qalora-group-size "
			       "%zu would", q->group, a->group, a->group);
	return 0;
}

static int choose_pool(struct qalora *q, const struct adapter *a, json_t *o)
{
	const char *name = json_text(o, "qalora_pool", "mean");
	double group = (double)q->group;

	if (!strcmp(name, "mean"))
		q->pool = (float)(1 / group);
	else if (!strcmp(name, "sum"))
		q->pool = 1;
	else if (!strcmp(name, "peft"))
		q->pool = (float)((double)a->in / group / group);
	else
		return err_set(E_CONFIG, "qalora_pool: \"%.20s\", want mean, "
			       "sum or peft", name);
	return 0;
}

static int qalora_shape(struct adapter *a, const struct adapter_options *o)
{
	struct qalora *q = calloc(1, sizeof(*q));

	a->own = q;
	if (!q)
		return err_set(E_NOMEM, "out of memory");
	TRY(lowrank_shape(a, o, "QA-LoRA"));
	TRY(choose_group(q, a, o));
	TRY(choose_pool(q, a, o->extra));
	a->keep = a->rank;
	a->pooled = a->in / q->group;
	adapter_param_add(a, "lora_A", a->rank, a->in / q->group);
	adapter_param_add(a, "lora_B", a->out, a->rank);
	a->param[B].plus = 1;
	return 0;
}

/* A as the authors': Xavier's uniform law; B zero. */
static int qalora_init(struct adapter *a, const struct weight *w,
			uint64_t seed)
{
	double sides = (double)(a->param[A].rows + a->param[A].cols);

	(void)w;
	lowrank_uniform(a, A, (float)sqrt(6 / sides), seed);
	memset(a->param[B].at, 0, a->out * a->rank * sizeof(float));
	return 0;
}

static void qalora_forward(const struct adapter *a, const struct adapt_pass *p,
			   struct mat x, struct gemm_output *y)
{
	struct lowrank f = factors(a);

	lowrank_forward(a, p, x, y, &f);
}

struct pooling {
	const struct qalora *q;
	struct mat to, from;
};

/* A row may be pooled where it lies: what is written was read. */
static void pool_rows(void *ctx, size_t task, size_t lane)
{
	const struct pooling *j = ctx;
	size_t row = task * ROWS, end = size_min(row + ROWS, j->to.rows);

	(void)lane;
	for (; row < end; row++) {
		const float *x = mat_row(j->from, row);
		float *to = mat_row(j->to, row);

		for (size_t g = 0; g < j->to.cols; g++) {
			float sum = 0;

			for (size_t i = 0; i < j->q->group; i++)
				sum += *x++;
			to[g] = j->q->pool * sum;
		}
	}
}

static void gradient_a(const struct adapter *a, const struct adapt_pass *p,
		       struct mat x)
{
	struct mat h = lowrank_kept(a, p, x.rows);
	size_t groups = a->param[A].cols;
	struct pooling j = {
		.q = a->own,
		.to = { p->scratch.at, x.rows, groups, p->scratch.stride },
		.from = adapter_drop(a, p, x),
	};

	pool_run(p->pool, size_ceil(x.rows, ROWS), pool_rows, &j);
	adapter_gradient(p, a->param[A].grad, groups, h, j.to);
}

static void qalora_backward(const struct adapter *a,
			    const struct adapt_pass *p, struct mat dy,
			    struct mat x, struct gemm_output *dx)
{
	struct lowrank f = factors(a);

	if (lowrank_backward(a, p, dy, x, dx, &f, a->param[B].grad))
		gradient_a(a, p, x);
}

static void qalora_finish(const struct adapter *a, const struct adapt_pass *p,
			  struct mat dy, struct mat x, struct mat dx)
{
	struct lowrank f = factors(a);

	(void)dy;
	if (lowrank_finish(a, p, dx, &f))
		gradient_a(a, p, x);
}

static int qalora_merge(const struct adapter *a, const struct weight *w,
			float scale, float *dst, size_t row, size_t n)
{
	(void)w;
	return lowrank_merge(a, a->param[B].at + row * a->rank, scale, dst, n,
			     factors(a).a);
}

/* s c (B A), in f64: what it is added to is not rounded yet. */
static int qalora_merge_groups(const struct adapter *a, float scale,
			       size_t group, float *add, size_t row, size_t n)
{
	const struct qalora *q = a->own;
	const float *b = a->param[B].at + row * a->rank;
	size_t per = group ? q->group / group : 0, cols = a->in / q->group;
	double s = (double)scale * (double)a->scale * (double)q->pool;

	if (!per || q->group % group)
		return err_set(E_CONFIG, "groups of %zu inputs do not go into "
			       "the base's of %zu without loss; --dtype merges "
			       "into dense weights", q->group, group);
	for (size_t i = 0; i < n; i++, b += a->rank)
		for (size_t g = 0; g < cols; g++) {
			double sum = 0;

			for (size_t k = 0; k < a->rank; k++)
				sum += (double)b[k] *
				       (double)a->param[A].at[k * cols + g];
			for (size_t t = 0; t < per; t++)
				*add++ = (float)(s * sum);
		}
	return 0;
}

/* One size for all modules, or null. */
static int qalora_describe(const struct adapter *a, json_t *config)
{
	const struct qalora *q = a->own;
	json_t *was = json_object_get(config, "qalora_group_size");
	json_t *size = json_integer((json_int_t)q->group);

	if (was && !json_equal(was, size)) {
		json_decref(size);
		size = json_null();
	}
	if (json_object_set_new(config, "qalora_group_size", size))
		return err_set(E_NOMEM, "out of memory");
	return 0;
}

static size_t qalora_inputs(json_t *config, size_t cols)
{
	double group = json_number(config, "qalora_group_size", 0);

	return group > 0 && group < 1 << 20 ? cols * (size_t)group : 0;
}

/* As LoRA: a column of A for each input. */
static void qalora_factors(const struct adapter *a, float *to_a, float *to_b)
{
	const struct qalora *q = a->own;
	size_t cols = a->param[A].cols;

	for (size_t k = 0; k < a->rank; k++)
		for (size_t i = 0; i < a->in; i++)
			*to_a++ = q->pool *
				  a->param[A].at[k * cols + i / q->group];
	memcpy(to_b, a->param[B].at, a->out * a->rank * sizeof(*to_b));
}

static void qalora_release(struct adapter *a)
{
	free(a->own);
}

const struct adapter_kind adapt_qalora = {
	.name = "qalora",
	.mark = "lora_A",
	.shape = qalora_shape,
	.init = qalora_init,
	.forward = qalora_forward,
	.backward = qalora_backward,
	.finish = qalora_finish,
	.merge = qalora_merge,
	.by_sequence = 1,
	.merge_adds = 1,
	.scales = 1,
	.merge_groups = qalora_merge_groups,
	.factors = qalora_factors,
	.adds = "qalora_group_size qalora_pool",
	.inputs = qalora_inputs,
	.describe = qalora_describe,
	.peft_name = lowrank_peft_name,
	.release = qalora_release,
};
