/* attention - against f64, against slopes, against itself cut otherwise */
#include "kernel/attention.h"

#include "base/size.h"
#include "kernel/table.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { GUARD = 16, MOST_KEYS = 512 };

/* A case, its arrays in one block with guard words between them. */
struct fixture {
	struct attention a;
	struct attention_grad g;
	size_t start[8], n, size;
	float *block, *used;
	void *space;
};

static uint64_t state;

static float uniform(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (float)((double)(state >> 11) * 0x1p-52 - 1);
}

static float *take(struct fixture *f, size_t rows, size_t stride)
{
	float *at = f->used;

	f->used += rows * stride + GUARD;
	for (size_t i = 0; i < rows * stride; i++)
		at[i] = uniform();
	for (size_t i = 0; i < GUARD; i++)
		at[rows * stride + i] = 1234.5f;
	return at;
}

static void fixture_init(struct fixture *f, struct attention a,
			 const size_t *len, size_t nseq)
{
	size_t q = a.heads * a.head_dim, kv = a.kv_heads * a.head_dim;

	memset(f, 0, sizeof(*f));
	for (size_t i = 0; i < nseq; i++)
		f->start[i + 1] = f->start[i] + len[i];
	f->n = f->start[nseq];
	f->size = f->n * (5 * (q + 8) + 4 * (kv + 8) + a.heads) + 12 * GUARD;
	f->used = f->block = calloc(f->size, sizeof(float));
	assert_non_null(f->block);
	a.nseq = nseq;
	a.start = f->start;
	a.qstride = q + 3;
	a.kstride = kv + 5;
	a.vstride = kv + 1;
	a.ostride = q + 7;
	a.q = take(f, f->n, a.qstride);
	a.k = take(f, f->n, a.kstride);
	a.v = take(f, f->n, a.vstride);
	a.out = take(f, f->n, a.ostride);
	a.lse = take(f, f->n, a.heads);
	f->g.dostride = q + 2;
	f->g.dqstride = q + 1;
	f->g.dkstride = kv + 2;
	f->g.dvstride = kv + 4;
	f->g.dout = take(f, f->n, f->g.dostride);
	f->g.dq = take(f, f->n, f->g.dqstride);
	f->g.dk = take(f, f->n, f->g.dkstride);
	f->g.dv = take(f, f->n, f->g.dvstride);
	f->a = a;
	f->space = aligned_alloc(64, attention_space(NULL, a.heads, a.kv_heads,
						     a.head_dim, f->n, 1));
	assert_non_null(f->space);
}

static void fixture_release(struct fixture *f)
{
	free(f->block);
	free(f->space);
}

/* ---- f64: what the header says, in the shortest way ---- */

static double score64(const struct attention *a, size_t i, size_t j,
		      size_t head)
{
	const float *q = a->q + i * a->qstride + head * a->head_dim;
	const float *k = a->k + j * a->kstride +
			 head / (a->heads / a->kv_heads) * a->head_dim;
	double s = 0;

	for (size_t d = 0; d < a->head_dim; d++)
		s += (double)q[d] * k[d];
	s *= a->scale;
	return a->softcap ? a->softcap * tanh(s / a->softcap) : s;
}

/* out row i of a head, in f64, for the sequence that starts at start. */
static double row64(const struct attention *a, size_t start, size_t i,
		    size_t head, double *out)
{
	double p[MOST_KEYS], m = -INFINITY, sum = 0;
	size_t first = start;

	if (a->window && i - start >= a->window)
		first = i - a->window + 1;
	for (size_t j = first; j <= i; j++) {
		p[j - first] = score64(a, i, j, head);
		m = fmax(m, p[j - first]);
	}
	for (size_t j = first; j <= i; j++)
		sum += p[j - first] = exp(p[j - first] - m);
	for (size_t d = 0; d < a->head_dim; d++) {
		out[d] = 0;
		for (size_t j = first; j <= i; j++)
			out[d] += p[j - first] / sum *
				  a->v[j * a->vstride +
				       head / (a->heads / a->kv_heads) *
					       a->head_dim + d];
	}
	return m + log(sum);
}

/* sum dout out, whose slope backward computes. */
static double objective(const struct fixture *f)
{
	const struct attention *a = &f->a;
	double out[256], sum = 0;

	for (size_t s = 0; s < a->nseq; s++)
		for (size_t i = f->start[s]; i < f->start[s + 1]; i++)
			for (size_t h = 0; h < a->heads; h++) {
				const float *g = f->g.dout +
						 i * f->g.dostride +
						 h * a->head_dim;

				row64(a, f->start[s], i, h, out);
				for (size_t d = 0; d < a->head_dim; d++)
					sum += out[d] * g[d];
			}
	return sum;
}

static void check_forward(const struct fixture *f)
{
	const struct attention *a = &f->a;
	double out[256], lse;

	for (size_t s = 0; s < a->nseq; s++)
		for (size_t i = f->start[s]; i < f->start[s + 1]; i++)
			for (size_t h = 0; h < a->heads; h++) {
				const float *o = a->out + i * a->ostride +
						 h * a->head_dim;

				lse = row64(a, f->start[s], i, h, out);
				assert_true(fabs(a->lse[i * a->heads + h] -
						 lse) < 2e-6 * (1 + fabs(lse)));
				for (size_t d = 0; d < a->head_dim; d++)
					assert_true(fabs(o[d] - out[d]) <
						    1e-6);
			}
}

/* The slope of the objective along x, by differences, at some elements. */
static void check_slope(struct fixture *f, const float *x, size_t xstride,
			const float *dx, size_t dxstride, size_t cols)
{
	float *at = (float *)x;

	for (size_t i = 0; i < f->n; i += 1 + f->n / 5)
		for (size_t c = 0; c < cols; c += 1 + cols / 7) {
			float *p = at + i * xstride + c, keep = *p;
			float up, down;
			double high, low, want, got = dx[i * dxstride + c];

			*p = up = keep + 1e-3f;
			high = objective(f);
			*p = down = keep - 1e-3f;
			low = objective(f);
			*p = keep;
			want = (high - low) / ((double)up - down);
			if (fabs(want - got) > 2e-5 * (1 + fabs(want)))
				fail_msg("row %zu col %zu: %g, want %g", i, c,
					 got, want);
		}
}

static const size_t lens[] = { 1, 70, 7, 0, 129 };

/* clang-format off */
static const struct attention cases[] = {
	{ .heads = 2, .kv_heads = 2, .head_dim = 8, .scale = 0.35f },
	{ .heads = 9, .kv_heads = 3, .head_dim = 16, .scale = 0.25f },
	{ .heads = 3, .kv_heads = 1, .head_dim = 64, .scale = 0.125f },
	{ .heads = 4, .kv_heads = 2, .head_dim = 13, .scale = 0.3f,
	  .window = 5 },
	{ .heads = 2, .kv_heads = 1, .head_dim = 33, .scale = 0.3f,
	  .window = 66, .softcap = 2 },
	{ .heads = 7, .kv_heads = 1, .head_dim = 80, .scale = 0.1f,
	  .window = 64 },
	{ .heads = 1, .kv_heads = 1, .head_dim = 130, .scale = 0.7f,
	  .softcap = 5 },
};
/* clang-format on */

static void equals_f64(void **unused)
{
	(void)unused;
	for (size_t c = 0; c < NELEM(cases); c++) {
		struct fixture f;

		fixture_init(&f, cases[c], lens, NELEM(lens));
		attention_forward(NULL, f.space, &f.a);
		check_forward(&f);
		fixture_release(&f);
	}
}

static void gradient_is_slope(void **unused)
{
	static const size_t len[] = { 3, 90, 1 };

	(void)unused;
	for (size_t c = 0; c < NELEM(cases); c++) {
		struct fixture f;
		size_t q = cases[c].heads * cases[c].head_dim;
		size_t kv = cases[c].kv_heads * cases[c].head_dim;

		fixture_init(&f, cases[c], len, NELEM(len));
		attention_forward(NULL, f.space, &f.a);
		attention_backward(NULL, f.space, &f.a, &f.g);
		check_slope(&f, f.a.q, f.a.qstride, f.g.dq, f.g.dqstride, q);
		check_slope(&f, f.a.k, f.a.kstride, f.g.dk, f.g.dkstride, kv);
		check_slope(&f, f.a.v, f.a.vstride, f.g.dv, f.g.dvstride, kv);
		fixture_release(&f);
	}
}

static int reset(void **unused)
{
	(void)unused;
	state = 88172645463325252;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(equals_f64, reset),
		cmocka_unit_test_setup(gradient_is_slope, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
