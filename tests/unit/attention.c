/* attention - forward against f64, backward against slopes */
#include "attention.h"

enum { MOST_KEYS = 512 };

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(equals_f64, reset),
		cmocka_unit_test_setup(gradient_is_slope, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
