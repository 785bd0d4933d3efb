/*
 * DoRA: direction and magnitude apart (Liu et al. 2024, arXiv:2402.09353,
 * equation 5; the norm is a constant to the gradient, section 4.3):
 *
 *   y = c (W x + s B A x),  c_o = m_o / n_o,  n_o = |(W + s B A)_o|
 *
 * m (1, out) begins as W's row norms. With dropout, as in the authors' code
 * and PEFT, both products of the correction see the dropped input:
 *
 *   y = W x + s B A x' + (c - 1) z,  z = W x' + s B A x',  x' = drop(x)
 *
 * keep is LoRA's h (n, rank), then z (n, out); backward turns z into c dy
 * where there is dropout, and dy itself into c dy where there is none.
 */
#include "adapt/adapt_kind.h"
#include "adapt/adapt_lora.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "kernel/table.h"

enum { M = LORA_B + 1 };
enum { ROWS = 64, COLS = 64, STRIP = 1 << 14 };

struct dora {
	const struct weight *w;
	float *norm;            /* (out) n */
};

static int dora_shape(struct adapter *a, const struct adapter_options *o)
{
	struct dora *d = calloc(1, sizeof(*d));

	a->own = d;
	if (!d)
		return err_set(E_NOMEM, "out of memory");
	TRY(lora_shape(a, o));
	a->keep += a->out;
	adapter_param_add(a, "lora_magnitude_vector", 1, a->out);
	a->param[M].plus = 1;
	a->own_bytes = a->out * sizeof(*d->norm);
	d->norm = calloc(a->out, sizeof(*d->norm));
	return d->norm ? 0 : err_set(E_NOMEM, "out of memory");
}

/* ---- rows of W + s B A, and their norms ---- */

/* to (n, in); norm (n). */
static int adapted_rows(const struct adapter *a, const struct weight *w,
			float *to, float *norm, size_t row, size_t n)
{
	w->format->rows(w, to, row, n);
	TRY(lora_merge(a, w, 1, to, row, n));
	for (size_t i = 0; i < n; i++)
		norm[i] = (float)sqrt(kernels()->sum_squares(
			to + i * a->in, a->in));
	return 0;
}

struct norms {
	const struct adapter *a;
	const struct weight *w;
	float *to, *room;       /* room: (lanes, span, in) */
	size_t span;
	int *err;               /* a task's */
};

static void norm_strip(void *ctx, size_t task, size_t lane)
{
	const struct norms *s = ctx;
	size_t row = task * s->span;

	s->err[task] = adapted_rows(s->a, s->w,
				    s->room + lane * s->span * s->a->in,
				    s->to + row, row,
				    size_min(s->span, s->a->out - row));
}

static int norms(const struct adapter *a, const struct weight *w, float *to,
		 struct pool *pool)
{
	struct norms s = { .a = a, .w = w, .to = to,
			   .span = size_max(1, STRIP / a->in) };
	size_t ntask = size_ceil(a->out, s.span);
	int err;

	s.room = malloc(pool_lanes(pool) * s.span * a->in * sizeof(float));
	s.err = calloc(ntask, sizeof(*s.err));
	err = s.room && s.err ? 0 : E_NOMEM;
	if (!err)
		pool_run(pool, ntask, norm_strip, &s);
	for (size_t i = 0; !err && i < ntask; i++)
		err = s.err[i];
	free(s.room);
	free(s.err);
	return err ? err_set(err, "%s: out of memory", a->module) : 0;
}

static int dora_refresh(struct adapter *a, const struct weight *w,
			struct pool *pool)
{
	struct dora *d = a->own;

	d->w = w;
	return norms(a, w, d->norm, pool);
}

/* B is zero: the rows are W's. */
static int dora_init(struct adapter *a, const struct weight *w, uint64_t seed)
{
	TRY(lora_init(a, w, seed));
	return norms(a, w, a->param[M].at, NULL);
}

/* c_o; a row of zeros has no direction. */
static float ratio(const struct adapter *a, size_t o)
{
	float n = ((const struct dora *)a->own)->norm[o];

	return n > 0 ? a->param[M].at[o] / n : 1;
}

/* ---- passes ---- */

static struct mat kept(const struct adapter *a, const struct adapt_pass *p,
		       size_t n)
{
	struct mat z = mat_cols(p->keep, a->rank, a->out);

	z.rows = n;
	return z;
}

struct pass {
	const struct adapter *a;
	const struct adapt_pass *p;
	struct mat y, z, to;
	int drops;
};

static void scale_rows(void *ctx, size_t task, size_t lane)
{
	const struct pass *s = ctx;
	size_t end = size_min(s->y.rows, (task + 1) * ROWS), cols = s->y.cols;

	(void)lane;
	for (size_t i = task * ROWS; i < end; i++) {
		float *y = mat_row(s->y, i), *z = mat_row(s->z, i);

		if (s->drops) {
			for (size_t o = 0; o < cols; o++)
				y[o] += (ratio(s->a, o) - 1) * z[o];
			continue;
		}
		if (s->p->batch)
			memcpy(z, y, cols * sizeof(float));
		for (size_t o = 0; o < cols; o++)
			y[o] *= ratio(s->a, o);
	}
}

/* z = W x' + h B^T, x' in scratch. */
static void dropped_product(const struct pass *s, const struct weight *w,
			    struct mat x)
{
	struct mat xd = adapter_drop(s->a, s->p, x), h = s->p->keep;
	struct gemm_output o = { .y = s->z.at, .stride = s->z.stride,
				 .n = s->z.cols, .nterm = 1 };

	o.term[0] = weight_term(w, xd.at, xd.stride, GEMM_NT);
	h.cols = s->a->rank;
	lora_term(s->a, &o, h, LORA_B, GEMM_NT);
	gemm(s->p->pool, s->p->space, x.rows, &o, 1);
}

static void dora_after(const struct adapter *a, const struct adapt_pass *p,
		       const struct weight *w, struct mat y, struct mat x)
{
	struct pass s = { a, p, y, kept(a, p, y.rows), y,
			  adapter_drops(a, p) };

	if (s.drops)
		dropped_product(&s, w, x);
	pool_run(p->pool, size_ceil(y.rows, ROWS), scale_rows, &s);
}

/* dm's columns from first on += column sums of dy z / n over the rows of a
 * sequence. */
static void add_magnitude(const struct pass *s, size_t first, size_t n,
			  size_t row, size_t end)
{
	const struct dora *d = s->a->own;
	float sum[COLS] = { 0 };

	for (; row < end; row++) {
		const float *dy = mat_row(s->y, row) + first;
		const float *z = mat_row(s->z, row) + first;

		for (size_t o = 0; o < n; o++)
			sum[o] += dy[o] * z[o];
	}
	for (size_t o = 0; o < n; o++)
		if (d->norm[first + o] > 0)
			s->a->param[M].grad[first + o] +=
				sum[o] / d->norm[first + o];
}

/* dm, sequence after sequence; then to = c dy. */
static void gradient_cols(void *ctx, size_t task, size_t lane)
{
	const struct pass *s = ctx;
	size_t first = task * COLS, n = size_min(COLS, s->y.cols - first);
	const size_t *start;
	size_t whole[2], nseq = adapter_sequences(s->p, s->y.rows, whole,
						  &start);

	(void)lane;
	for (size_t i = 0; i < nseq; i++)
		add_magnitude(s, first, n, start[i], start[i + 1]);
	for (size_t i = 0; i < s->y.rows; i++)
		for (size_t o = first; o < first + n; o++)
			mat_row(s->to, i)[o] =
				ratio(s->a, o) * mat_row(s->y, i)[o];
}

static void dora_before(const struct adapter *a, const struct adapt_pass *p,
			const struct weight *w, struct mat dy, struct mat x)
{
	struct pass s = { a, p, dy, kept(a, p, dy.rows), dy, 0 };

	(void)w;
	(void)x;
	if (adapter_drops(a, p))
		s.to = s.z;
	pool_run(p->pool, size_ceil(dy.cols, COLS), gradient_cols, &s);
}

static void dora_backward(const struct adapter *a, const struct adapt_pass *p,
			  struct mat dy, struct mat x, struct gemm_output *dx)
{
	lora_backward(a, p, adapter_drops(a, p) ? kept(a, p, dy.rows) : dy, x,
		      dx);
}

/* dx += mask (((c - 1) dy) W + dh A), where there is dropout. */
static void dora_finish(const struct adapter *a, const struct adapt_pass *p,
			struct mat dy, struct mat x, struct mat dx)
{
	const struct dora *d = a->own;
	struct mat z = kept(a, p, dy.rows), h = p->keep;
	struct mat s = { p->scratch.at, dx.rows, a->in, p->scratch.stride };
	struct gemm_output o = { .y = s.at, .stride = s.stride, .n = a->in,
				 .nterm = 1 };

	if (!adapter_drops(a, p)) {
		lora_finish(a, p, dy, x, dx);
		return;
	}
	for (size_t i = 0; i < dy.rows; i++)
		for (size_t k = 0; k < a->out; k++)
			mat_row(z, i)[k] -= mat_row(dy, i)[k];
	o.term[0] = weight_term(d->w, z.at, z.stride, GEMM_NN);
	h.cols = a->rank;
	lora_term(a, &o, h, LORA_A, GEMM_NN);
	gemm(p->pool, p->space, dx.rows, &o, 1);
	adapter_undrop(a, p, dx, s);
}

/* ---- merging ---- */

/* dst += scale (c (W + s B A) - W). */
static int dora_merge(const struct adapter *a, const struct weight *w,
		      float scale, float *dst, size_t row, size_t n)
{
	float *t = malloc((2 * n * a->in + n) * sizeof(*t));
	float *was = t + n * a->in, *norm = was + n * a->in;
	int err;

	if (!t)
		return err_set(E_NOMEM, "out of memory");
	w->format->rows(w, was, row, n);
	err = adapted_rows(a, w, t, norm, row, n);
	for (size_t i = 0; !err && i < n; i++) {
		float c = norm[i] > 0 ? a->param[M].at[row + i] / norm[i] : 1;

		for (size_t k = i * a->in; k < (i + 1) * a->in; k++)
			dst[k] += scale * (c * t[k] - was[k]);
	}
	free(t);
	return err;
}

static const char *dora_peft_name(const struct adapter *a, size_t i)
{
	return i == M ? "lora_magnitude_vector" : lora_peft_name(a, i);
}

static void dora_release(struct adapter *a)
{
	struct dora *d = a->own;

	if (d)
		free(d->norm);
	free(d);
}

const struct adapter_kind adapt_dora = {
	.name = "dora",
	.mark = "lora_A",
	.needs_weight = 1,
	.shape = dora_shape,
	.init = dora_init,
	.refresh = dora_refresh,
	.forward = lora_forward,
	.after = dora_after,
	.before = dora_before,
	.backward = dora_backward,
	.finish = dora_finish,
	.merge = dora_merge,
	.by_sequence = 1,
	.merge_adds = 1,
	.peft_name = dora_peft_name,
	.release = dora_release,
};
