/*
 * LoRA with IR-QLoRA's elastic connection (Qin et al. 2024, arXiv:2402.05445,
 * section 3.3, equation 16):
 *
 *     h = s (A drop(x) + beta1 M x),  y += B h + beta2 R h
 *
 * M (r, in) averages the part of x that belongs to an element of h, without
 * dropout; R (out, r) gives each output the average of its part of h. x, h and
 * the outputs are cut into gcd(in, r) and gcd(out, r) equal parts; where r
 * divides both, M averages r parts of x and R repeats each element of h.
 * beta1, beta2 are trained and begin with 0.
 *
 * So A acts as A' = A + beta1 M, B as B' = B + beta2 R, in the panels that are
 * packed for the products, and in a merge. The slope of a loss along beta is
 * that along A' (or B'), summed up over M (or R). With dropout M x is a product
 * of its own, kept beside h.
 */
#include "adapt/adapt_kind.h"
#include "adapt/lowrank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"

enum { A, B, BETA1, BETA2 };

/* M or R: value where row / rows_of == col / cols_of, else 0. */
struct part {
	size_t rows_of, cols_of;
	float value;
};

struct iec {
	struct part m, r;
};

static size_t gcd(size_t a, size_t b)
{
	while (b) {
		size_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* ---- factors, in panels: see gemm_pack_fn ---- */

/* Adds M or R, times by. */
static void add_part(const struct part *p, float by, float *dst, size_t k0,
		     size_t k1, size_t n0, size_t n1, enum gemm_use use)
{
	size_t nk = k1 - k0;
	float add = by * p->value;

	for (size_t n = n0; n < n1; n++) {
		float *to = dst + (n - n0) / GEMM_NR * GEMM_NR * nk +
			    (n - n0) % GEMM_NR;

		for (size_t k = k0; k < k1; k++, to += GEMM_NR) {
			size_t row = use == GEMM_NT ? n : k;
			size_t col = use == GEMM_NT ? k : n;

			if (row / p->rows_of == col / p->cols_of)
				*to += add;
		}
	}
}

/* A'; w is the adapter, here and below. */
static void pack_a(const void *w, float *dst, size_t k0, size_t k1, size_t n0,
		   size_t n1, enum gemm_use use)
{
	const struct adapter *a = w;
	const struct iec *e = a->own;

	gemm_pack_dense(&a->param[A].dense, dst, k0, k1, n0, n1, use);
	add_part(&e->m, a->param[BETA1].at[0], dst, k0, k1, n0, n1, use);
}

static void pack_b(const void *w, float *dst, size_t k0, size_t k1, size_t n0,
		   size_t n1, enum gemm_use use)
{
	const struct adapter *a = w;
	const struct iec *e = a->own;

	gemm_pack_dense(&a->param[B].dense, dst, k0, k1, n0, n1, use);
	add_part(&e->r, a->param[BETA2].at[0], dst, k0, k1, n0, n1, use);
}

static void pack_m(const void *w, float *dst, size_t k0, size_t k1, size_t n0,
		   size_t n1, enum gemm_use use)
{
	const struct adapter *a = w;
	const struct iec *e = a->own;

	memset(dst, 0, size_ceil(n1 - n0, GEMM_NR) * GEMM_NR * (k1 - k0) *
		       sizeof(*dst));
	add_part(&e->m, 1, dst, k0, k1, n0, n1, use);
}

/* With dropout A alone goes through the mask. */
static struct lowrank factors(const struct adapter *a,
			      const struct adapt_pass *p)
{
	struct lowrank f = { { pack_a, a }, { pack_b, a } };

	if (adapter_drops(a, p))
		f.a = (struct lowrank_factor){ gemm_pack_dense,
					       &a->param[A].dense };
	return f;
}

/* s M x, where there is dropout. */
static struct mat kept_mean(const struct adapter *a,
			    const struct adapt_pass *p, size_t n)
{
	return (struct mat){ p->keep.at + a->rank, n, a->rank,
			     p->keep.stride };
}

/* ---- the kind ---- */

static int iec_shape(struct adapter *a, const struct adapter_options *o)
{
	struct iec *e = calloc(1, sizeof(*e));
	size_t in, out;

	a->own = e;
	if (!e)
		return err_set(E_NOMEM, "out of memory");
	TRY(lowrank_shape(a, o, "IEC"));
	in = gcd(a->in, a->rank);
	out = gcd(a->out, a->rank);
	e->m = (struct part){ a->rank / in, a->in / in,
			      (float)((double)in / (double)a->in) };
	e->r = (struct part){ a->out / out, a->rank / out,
			      (float)((double)out / (double)a->rank) };
	a->keep = 2 * a->rank;
	adapter_param_add(a, "lora_A", a->rank, a->in);
	adapter_param_add(a, "lora_B", a->out, a->rank);
	adapter_param_add(a, "iec_beta1", 1, 1);
	adapter_param_add(a, "iec_beta2", 1, 1);
	for (size_t i = B; i <= BETA2; i++)
		a->param[i].plus = 1;
	return 0;
}

/* As LoRA; the betas zero. */
static int iec_init(struct adapter *a, const struct weight *w, uint64_t seed)
{
	(void)w;
	lowrank_uniform(a, A, (float)(1 / sqrt((double)a->in)), seed);
	memset(a->param[B].at, 0, a->out * a->rank * sizeof(float));
	a->param[BETA1].at[0] = a->param[BETA2].at[0] = 0;
	return 0;
}

/* to = add + by x, or by x where add has no memory. */
static void combine(struct mat to, const struct mat *add, float by,
		    struct mat x)
{
	for (size_t i = 0; i < x.rows; i++)
		for (size_t k = 0; k < x.cols; k++)
			mat_row(to, i)[k] = by * mat_row(x, i)[k] +
					    (add ? mat_row(*add, i)[k] : 0);
}

static void iec_forward(const struct adapter *a, const struct adapt_pass *p,
			struct mat x, struct gemm_output *y)
{
	struct mat h = lowrank_kept(a, p, x.rows);
	struct mat mean = kept_mean(a, p, x.rows);
	struct lowrank f = factors(a, p);

	lowrank_forward(a, p, x, y, &f);
	if (!adapter_drops(a, p))
		return;
	lowrank_scaled(a, p, mean, x, (struct lowrank_factor){ pack_m, a },
		       GEMM_NT, 0);
	combine(h, &h, a->param[BETA1].at[0], mean);
}

/* The sum of g (r, in or out, r) over where M or R is not 0, times value. */
static float along(const struct part *p, const float *g, size_t rows,
		   size_t cols)
{
	double sum = 0;

	for (size_t i = 0; i < rows; i++)
		for (size_t j = 0; j < cols; j++)
			if (i / p->rows_of == j / p->cols_of)
				sum += (double)g[i * cols + j];
	return (float)(sum * (double)p->value);
}

/* Without dropout beta1's slope follows from A's, all batches together. */
static void gradient_a(const struct adapter *a, const struct adapt_pass *p,
		       struct mat x)
{
	struct mat h = lowrank_kept(a, p, x.rows), xd = adapter_drop(a, p, x);
	const struct iec *e = a->own;
	float *g = a->param[A].grad;

	adapter_gradient(p, g, a->in, h, xd);
	if (!adapter_drops(a, p))
		a->param[BETA1].grad[0] = along(&e->m, g, a->rank, a->in);
}

/* The sum of dh M x over rows [first, end). */
static float along_mean(const struct adapter *a, struct mat h, struct mat mean,
			size_t first, size_t end)
{
	double sum = 0;

	for (size_t i = first; i < end; i++)
		for (size_t k = 0; k < a->rank; k++)
			sum += (double)mat_row(h, i)[k] *
			       (double)mat_row(mean, i)[k];
	return (float)(sum / (double)a->scale);
}

/* With dropout: beta1's gradient, sequence by sequence, and x's through M. */
static void through_mean(const struct adapter *a, const struct adapt_pass *p,
			 size_t n, struct gemm_output *dx)
{
	struct mat h = lowrank_kept(a, p, n), mean = kept_mean(a, p, n);
	const size_t *start = p->batch->start;

	for (size_t i = 0; i < p->batch->nseq; i++)
		a->param[BETA1].grad[0] +=
			along_mean(a, h, mean, start[i], start[i + 1]);
	combine(mean, NULL, a->param[BETA1].at[0], h);
	if (dx)
		lowrank_term(dx, mean, (struct lowrank_factor){ pack_m, a },
			     GEMM_NN);
}

static void iec_backward(const struct adapter *a, const struct adapt_pass *p,
			 struct mat dy, struct mat x, struct gemm_output *dx)
{
	const struct iec *e = a->own;
	struct lowrank f = factors(a, p);

	if (lowrank_backward(a, p, dy, x, dx, &f, a->param[B].grad))
		gradient_a(a, p, x);
	a->param[BETA2].grad[0] = along(&e->r, a->param[B].grad, a->out,
					a->rank);
	if (adapter_drops(a, p))
		through_mean(a, p, x.rows, dx);
}

static void iec_finish(const struct adapter *a, const struct adapt_pass *p,
		       struct mat dy, struct mat x, struct mat dx)
{
	struct lowrank f = factors(a, p);

	(void)dy;
	if (lowrank_finish(a, p, dx, &f))
		gradient_a(a, p, x);
}

/* to (n, cols): rows [row, row + n) of a factor and by times its part. */
static void whole_rows(float *to, const struct adapter_param *p, float by,
		       const struct part *part, size_t row, size_t n)
{
	const float *from = p->at + row * p->cols;
	float add = by * part->value;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < p->cols; k++)
			*to++ = *from++ + ((row + i) / part->rows_of ==
					   k / part->cols_of ? add : 0);
}

static void iec_factors(const struct adapter *a, float *to_a, float *to_b)
{
	const struct iec *e = a->own;

	whole_rows(to_a, &a->param[A], a->param[BETA1].at[0], &e->m, 0,
		   a->rank);
	whole_rows(to_b, &a->param[B], a->param[BETA2].at[0], &e->r, 0,
		   a->out);
}

static int iec_merge(const struct adapter *a, const struct weight *w,
		     float scale, float *dst, size_t row, size_t n)
{
	const struct iec *e = a->own;
	float *b = malloc(n * a->rank * sizeof(*b));
	int err;

	(void)w;
	if (!b)
		return err_set(E_NOMEM, "out of memory");
	whole_rows(b, &a->param[B], a->param[BETA2].at[0], &e->r, row, n);
	err = lowrank_merge(a, b, scale, dst, n,
			    (struct lowrank_factor){ pack_a, a });
	free(b);
	return err;
}

static void iec_release(struct adapter *a)
{
	free(a->own);
}

const struct adapter_kind adapt_iec = {
	.name = "iec",
	.mark = "lora_A",
	.shape = iec_shape,
	.init = iec_init,
	.forward = iec_forward,
	.backward = iec_backward,
	.finish = iec_finish,
	.merge = iec_merge,
	.by_sequence = 1,
	.merge_adds = 1,
	.scales = 1,
	.factors = iec_factors,
	.peft_name = lowrank_peft_name,
	.release = iec_release,
};
