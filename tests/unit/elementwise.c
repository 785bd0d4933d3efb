/* elementwise - kernels against f64, and each backward against slopes */
#include "kernel/table.h"

#include "base/size.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 71, ROWS = 3 };

static uint64_t state;

static float uniform(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (float)((double)(state >> 11) * 0x1p-52 - 1);
}

static void fill(float *x, size_t n, float by)
{
	for (size_t i = 0; i < n; i++)
		x[i] = by * uniform();
}

static void check_near(const char *what, size_t i, double got, double want,
		       double most)
{
	if (!(fabs(got - want) <= most * (1 + fabs(want))))
		fail_msg("%s: %zu: %.9g, want %.9g", what, i, got, want);
}

/* A function of arrays in f64: sum of weight times its outputs. */
struct slope_case {
	const char *name;
	double (*value)(float *const *x, const float *weight);
	float *const *x;
	const float *weight;
};

/* d value / d x[k][i] is got[i]. */
static void check_slope(const struct slope_case *c, size_t k, const float *got,
			size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float *p = &c->x[k][i], old = *p, up = old + 1e-3f;
		float down = old - 1e-3f;
		double high, low;

		*p = up;
		high = c->value(c->x, c->weight);
		*p = down;
		low = c->value(c->x, c->weight);
		*p = old;
		check_near(c->name, i, got[i],
			   (high - low) / ((double)up - down), 1e-5);
	}
}

/* ---- norms ---- */

static double rms_row(const float *x, const float *gain, double *y)
{
	double sum = 0, r;

	for (size_t i = 0; i < N; i++)
		sum += (double)x[i] * x[i];
	r = 1 / sqrt(sum / N + 1e-5);
	for (size_t i = 0; i < N; i++)
		y[i] = x[i] * r * gain[i];
	return r;
}

static double rms_value(float *const *x, const float *weight)
{
	double y[N], sum = 0;

	for (size_t row = 0; row < ROWS; row++) {
		rms_row(x[0] + row * N, x[1], y);
		for (size_t i = 0; i < N; i++)
			sum += y[i] * weight[row * N + i];
	}
	return sum;
}

static void rmsnorm(void **unused)
{
	float x[ROWS * N], y[ROWS * N], dy[ROWS * N], dx[ROWS * N], gain[N];
	float rrms[ROWS], dgain[N] = { 0 }, *both[] = { x, gain };
	struct slope_case c = { "rmsnorm", rms_value, both, dy };
	double want[N];

	(void)unused;
	fill(x, ROWS * N, 2);
	fill(dy, ROWS * N, 1);
	fill(gain, N, 1);
	kernels()->rmsnorm(y, N, rrms, x, N, gain, 1e-5f, ROWS, N);
	for (size_t row = 0; row < ROWS; row++) {
		check_near("rrms", row, rrms[row],
			   rms_row(x + row * N, gain, want), 2e-7);
		for (size_t i = 0; i < N; i++)
			check_near("y", i, y[row * N + i], want[i], 3e-7);
	}
	kernels()->rmsnorm_backward(dx, N, 0, dgain, dy, N, x, N, gain, rrms,
				    ROWS, N);
	check_slope(&c, 0, dx, ROWS * N);
	check_slope(&c, 1, dgain, N);
}

static void layer_row(const float *x, const float *gain, const float *bias,
		      double *y)
{
	double m = 0, sum = 0, r;

	for (size_t i = 0; i < N; i++)
		m += x[i] / (double)N;
	for (size_t i = 0; i < N; i++)
		sum += (x[i] - m) * (x[i] - m);
	r = 1 / sqrt(sum / N + 1e-5);
	for (size_t i = 0; i < N; i++)
		y[i] = (x[i] - m) * r * gain[i] + bias[i];
}

static double layer_value(float *const *x, const float *weight)
{
	double y[N], sum = 0;

	for (size_t row = 0; row < ROWS; row++) {
		layer_row(x[0] + row * N, x[1], x[2], y);
		for (size_t i = 0; i < N; i++)
			sum += y[i] * weight[row * N + i];
	}
	return sum;
}

static void layernorm(void **unused)
{
	float x[ROWS * N], y[ROWS * N], dy[ROWS * N], dx[ROWS * N], gain[N];
	float stats[2 * ROWS], dgain[N] = { 0 }, bias[N], dbias[N] = { 0 };
	float *all[] = { x, gain, bias };
	struct slope_case c = { "layernorm", layer_value, all, dy };
	double want[N];

	(void)unused;
	fill(x, ROWS * N, 2);
	fill(dy, ROWS * N, 1);
	fill(gain, N, 1);
	fill(bias, N, 1);
	kernels()->layernorm(y, N, stats, x, N, gain, bias, 1e-5f, ROWS, N);
	for (size_t row = 0; row < ROWS; row++) {
		layer_row(x + row * N, gain, bias, want);
		for (size_t i = 0; i < N; i++)
			check_near("y", i, y[row * N + i], want[i], 4e-7);
	}
	kernels()->layernorm_backward(dx, N, 0, dgain, dbias, dy, N, x, N,
				      gain, stats, ROWS, N);
	check_slope(&c, 0, dx, ROWS * N);
	check_slope(&c, 1, dgain, N);
	check_slope(&c, 2, dbias, N);
}

/* ---- gates ---- */

static double silu64(double x)
{
	return x / (1 + exp(-x));
}

static double gelu_tanh64(double x)
{
	return x / 2 * (1 + tanh(sqrt(2 / acos(-1)) *
				 (x + 0.044715 * x * x * x)));
}

static double gelu_erf64(double x)
{
	return x / 2 * (1 + erf(x / sqrt(2)));
}

static double (*act64)(double);

static double gate_value(float *const *x, const float *weight)
{
	double sum = 0;

	for (size_t i = 0; i < N; i++)
		sum += act64(x[0][i]) * x[1][i] * weight[i];
	return sum;
}

static void check_gate(const char *name, gate_fn *forward,
		       gate_backward_fn *backward, double (*act)(double))
{
	float gate[N], up[N], y[N], dy[N], dgate[N], dup[N];
	float *both[] = { gate, up };
	struct slope_case c = { name, gate_value, both, dy };

	act64 = act;
	fill(gate, N, 6);
	fill(up, N, 2);
	fill(dy, N, 1);
	forward(y, gate, up, N);
	for (size_t i = 0; i < N; i++)
		check_near(name, i, y[i], act(gate[i]) * up[i], 4e-7);
	backward(dgate, dup, dy, gate, up, N);
	check_slope(&c, 0, dgate, N);
	check_slope(&c, 1, dup, N);
	forward(y, gate, NULL, N);
	for (size_t i = 0; i < N; i++)
		check_near(name, i, y[i], act(gate[i]), 4e-7);
}

static void gates(void **unused)
{
	const struct kernels *k = kernels();

	(void)unused;
	check_gate("silu", k->silu_gate, k->silu_gate_backward, silu64);
	check_gate("gelu_tanh", k->gelu_tanh_gate, k->gelu_tanh_gate_backward,
		   gelu_tanh64);
	check_gate("gelu_erf", k->gelu_erf_gate, k->gelu_erf_gate_backward,
		   gelu_erf64);
}

/* ---- soft caps ---- */

static double cap_value(float *const *x, const float *weight)
{
	double sum = 0;

	for (size_t i = 0; i < N; i++)
		sum += 3 * tanh(x[0][i] / 3.0) * weight[i];
	return sum;
}

static void softcap(void **unused)
{
	float x[N], y[N], dy[N], dx[N], *all[] = { x };
	struct slope_case c = { "softcap", cap_value, all, dy };

	(void)unused;
	fill(x, N, 9);
	fill(dy, N, 1);
	kernels()->softcap(y, x, 3, N);
	for (size_t i = 0; i < N; i++)
		check_near("softcap", i, y[i], 3 * tanh(x[i] / 3.0), 3e-7);
	kernels()->softcap_backward(dx, 0, y, dy, 3, N);
	check_slope(&c, 0, dx, N);
	kernels()->softcap_backward(dx, 1, y, dy, 3, N);
	for (size_t i = 0; i < N; i++)
		dx[i] /= 2;
	check_slope(&c, 0, dx, N);
}

/* ---- cross-entropy ---- */

static double entropy_value(float *const *x, const float *weight)
{
	double sum = 0;

	(void)weight;
	for (size_t i = 0; i < N; i++)
		sum += exp(x[0][i]);
	return (log(sum) - x[0][5]) * 0.25;
}

static void cross_entropy(void **unused)
{
	float x[N], g[N], *all[] = { x };
	struct slope_case c = { "cross_entropy", entropy_value, all, NULL };
	double want;

	(void)unused;
	fill(x, N, 4);
	memcpy(g, x, sizeof(g));
	want = entropy_value(all, NULL) * 4;
	check_near("loss", 0, kernels()->cross_entropy(x, N, 5), want, 1e-7);
	check_near("loss", 1, kernels()->cross_entropy_backward(g, N, 5, 0.25f),
		   want, 1e-7);
	check_slope(&c, 0, g, N);
}

/* A large vocabulary, logits far from zero. */
static void cross_entropy_large(void **unused)
{
	enum { LARGE = 200000 };
	float *x = malloc(LARGE * sizeof(*x));
	double sum = 0;

	(void)unused;
	assert_non_null(x);
	fill(x, LARGE, 10);
	for (size_t i = 0; i < LARGE; i++) {
		x[i] += 1000;
		sum += exp(x[i] - 1000.0);
	}
	check_near("loss", 0, kernels()->cross_entropy(x, LARGE, 7),
		   log(sum) + 1000 - x[7], 1e-7);
	free(x);
}

/* ---- optimizers, dropout ---- */

static void adamw(void **unused)
{
	float p[N], m[N] = { 0 }, v[N] = { 0 }, g[N];
	double p64[N], m64[N] = { 0 }, v64[N] = { 0 };

	(void)unused;
	fill(p, N, 1);
	for (size_t i = 0; i < N; i++)
		p64[i] = p[i];
	for (int t = 1; t <= 20; t++) {
		struct adamw a = adamw_at(1e-2, 0.9, 0.999, 1e-8, 0.1,
					  (uint64_t)t);

		fill(g, N, 1);
		a.scale = 0.5f;
		kernels()->adamw(&a, p, m, v, g, N);
		for (size_t i = 0; i < N; i++) {
			double s = 0.5 * g[i];

			m64[i] += 0.1 * (s - m64[i]);
			v64[i] = 0.999 * v64[i] + 0.001 * s * s;
			p64[i] *= 1 - 1e-3;
			p64[i] -= 1e-2 * (m64[i] / (1 - pow(0.9, t))) /
				  (sqrt(v64[i] / (1 - pow(0.999, t))) + 1e-8);
			check_near("adamw", i, p[i], p64[i], 1e-6);
		}
	}
}

static void dropout(void **unused)
{
	enum { LONG = 10000 };
	float *x = malloc(LONG * sizeof(*x)), *y = malloc(LONG * sizeof(*y));
	struct rng r = rng_at(rng_of(1, "module"), 4, 9);
	size_t kept = 0;

	(void)unused;
	assert_true(x && y);
	for (size_t i = 0; i < LONG; i++)
		x[i] = 1;
	kernels()->dropout(y, 0, x, LONG, r, 3, 0.25f);
	for (size_t i = 0; i < LONG; i++) {
		float u = rng_uniform(r, ((uint64_t)3 << 34) + i);

		assert_true(y[i] == (u < 0.25f ? 0 : 1 / 0.75f));
		kept += y[i] != 0;
	}
	assert_true(kept > 7300 && kept < 7700);
	kernels()->dropout(x, 0, y, LONG, r, 3, 0);
	assert_memory_equal(x, y, LONG * sizeof(*x));
	free(x);
	free(y);
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
		cmocka_unit_test_setup(rmsnorm, reset),
		cmocka_unit_test_setup(layernorm, reset),
		cmocka_unit_test_setup(gates, reset),
		cmocka_unit_test_setup(softcap, reset),
		cmocka_unit_test_setup(cross_entropy, reset),
		cmocka_unit_test_setup(cross_entropy_large, reset),
		cmocka_unit_test_setup(adamw, reset),
		cmocka_unit_test_setup(dropout, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
