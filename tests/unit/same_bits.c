/* same_bits - every level of every elementwise kernel gives level c's bytes,
 * at odd sizes and addresses, and writes nothing else */
#include "kernel/table.h"

#include "base/half.h"
#include "base/size.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Rows that a case with rows has, and floats between their ends. */
enum { ROWS = 3, GAP = 2, ARRAYS = 6, GUARD = 32 };

/* A case works on arrays of at least ROWS (n + GAP) floats. It writes the
 * first 'wide' of them, up to its extent. */
struct kernel_case {
	const char *name;
	void (*run)(const struct kernels *k, float **x, size_t n);
	int rows;               /* extent: ROWS (n + GAP), not n */
	enum { NUMBERS, SMALL, BITS } values;
};

static void run_exp(const struct kernels *k, float **x, size_t n)
{
	k->vexp(x[0], x[1], n);
}

static void run_add(const struct kernels *k, float **x, size_t n)
{
	k->vadd(x[0], x[1], x[0], n);
}

static void run_scale(const struct kernels *k, float **x, size_t n)
{
	k->vscale(x[0], x[0], 0.3f, n);
}

static void run_axpy(const struct kernels *k, float **x, size_t n)
{
	k->vaxpy(x[0], 0.3f, x[1], n);
}

static void run_squares(const struct kernels *k, float **x, size_t n)
{
	double s = k->sum_squares(x[1], n);

	if (n)
		memcpy(x[0], &s, n > 1 ? sizeof(s) : sizeof(float));
}

static void run_rmsnorm(const struct kernels *k, float **x, size_t n)
{
	k->rmsnorm(x[0], n + 1, x[1], x[2], n + 2, x[3], 1e-5f, ROWS, n);
}

static void run_rmsnorm_in_place(const struct kernels *k, float **x, size_t n)
{
	k->rmsnorm(x[0], n + 2, NULL, x[0], n + 2, x[3], 1e-5f, ROWS, n);
}

static void run_rmsnorm_backward(const struct kernels *k, float **x, size_t n)
{
	k->rmsnorm_backward(x[0], n + 2, 1, x[1], x[2], n + 1, x[3], n, x[4],
			    x[5], ROWS, n);
}

static void run_rmsnorm_over(const struct kernels *k, float **x, size_t n)
{
	k->rmsnorm_backward(x[0], n + 2, 0, NULL, x[0], n + 2, x[3], n, x[4],
			    x[5], ROWS, n);
}

static void run_layernorm(const struct kernels *k, float **x, size_t n)
{
	k->layernorm(x[0], n, x[1], x[2], n + 2, x[3], x[4], 1e-5f, 2, n);
}

static void run_layernorm_backward(const struct kernels *k, float **x,
				   size_t n)
{
	k->layernorm_backward(x[0], n, 1, x[1], x[2], x[3], n, x[4], n + 1,
			      x[5], x[5] + 1, ROWS, n);
}

static void run_layernorm_bare(const struct kernels *k, float **x, size_t n)
{
	k->layernorm(x[0], n + 2, NULL, x[0], n + 2, x[3], NULL, 1e-5f, ROWS,
		     n);
}

static void run_layernorm_over(const struct kernels *k, float **x, size_t n)
{
	k->layernorm_backward(x[0], n + 2, 0, NULL, NULL, x[0], n + 2, x[3], n,
			      x[4], x[5], ROWS, n);
}

static void rope_both(const struct kernels *k, float **x, size_t n, int inverse)
{
	static const uint32_t pos[ROWS] = { 1, 0, 1 };
	struct rope r = { x[1], x[2], n / 4, 1, n };

	k->rope(&r, x[0], n + 1, pos, ROWS, inverse);
	r.heads = 2;
	r.head_dim = n / 2;
	k->rope(&r, x[0], n + 1, pos, ROWS, inverse);
}

static void run_rope(const struct kernels *k, float **x, size_t n)
{
	rope_both(k, x, n, 0);
}

static void run_rope_inverse(const struct kernels *k, float **x, size_t n)
{
	rope_both(k, x, n, 1);
}

#define GATE_CASES(act)                                                   \
	static void run_##act(const struct kernels *k, float **x,         \
			      size_t n)                                   \
	{                                                                 \
		k->act##_gate(x[0], x[1], x[2], n);                       \
		k->act##_gate(x[3], x[4], NULL, n);                       \
	}                                                                 \
                                                                          \
	static void run_##act##_backward(const struct kernels *k,         \
					 float **x, size_t n)             \
	{                                                                 \
		k->act##_gate_backward(x[0], x[1], x[2], x[0], x[1], n);  \
		k->act##_gate_backward(x[3], NULL, x[2], x[4], NULL, n);  \
	}

GATE_CASES(silu)
GATE_CASES(gelu_tanh)
GATE_CASES(gelu_erf)

static void run_softcap(const struct kernels *k, float **x, size_t n)
{
	k->softcap(x[0], x[1], 5, n);
	k->softcap(x[2], x[2], 1, n);
}

static void run_softcap_backward(const struct kernels *k, float **x, size_t n)
{
	k->softcap_backward(x[0], 1, x[1], x[2], 13, n);
	k->softcap_backward(x[3], 0, x[4], x[3], 7, n);
}

static void run_cross_entropy(const struct kernels *k, float **x, size_t n)
{
	double loss;

	if (!n)
		return;
	loss = k->cross_entropy(x[0], n, n / 3);
	loss += k->cross_entropy_backward(x[0], n, n / 2, 0.25f);
	if (n > 1)
		memcpy(x[1], &loss, sizeof(loss));
}

static void run_adamw(const struct kernels *k, float **x, size_t n)
{
	struct adamw a = adamw_at(1e-2, 0.9, 0.999, 1e-8, 0.1, 3);

	for (size_t i = 0; i < n; i++)
		x[2][i] = fabsf(x[2][i]);
	a.scale = 0.7f;
	k->adamw(&a, x[0], x[1], x[2], x[3], n);
}

static void run_sgd(const struct kernels *k, float **x, size_t n)
{
	struct sgd s = { 0.5f, 0.1f, 0.01f, 0.9f, 1 };

	k->sgd(&s, x[0], x[1], x[2], n);
	s.first = 0;
	k->sgd(&s, x[0], x[1], x[3], n);
	k->sgd(&s, x[0], NULL, x[3], n);
}

static void run_dropout(const struct kernels *k, float **x, size_t n)
{
	struct rng r = rng_at(rng_of(7, "m"), 3, 0xfffffff0);

	k->dropout(x[0], 0, x[1], n, r, 11, 0.3f);
	k->dropout(x[2], 0, x[2], n, r, 0xffffffff, 0);
	k->dropout(x[3], 1, x[4], n, r, 12, 0.6f);
}

static void run_from_half(const struct kernels *k, float **x, size_t n)
{
	k->bf16_to_f32(x[0], (const uint16_t *)x[1], n);
	k->f16_to_f32(x[2], (const uint16_t *)x[3], n);
}

static void run_to_half(const struct kernels *k, float **x, size_t n)
{
	k->f32_to_bf16((uint16_t *)x[0], x[1], n);
	k->f32_to_f16((uint16_t *)x[2], x[3], n);
}

/* clang-format off */
static const struct kernel_case cases[] = {
	{ "vexp",                   run_exp,                0, NUMBERS },
	{ "vadd",                   run_add,                0, NUMBERS },
	{ "vscale",                 run_scale,              0, NUMBERS },
	{ "vaxpy",                  run_axpy,               0, NUMBERS },
	{ "sum_squares",            run_squares,            0, NUMBERS },
	{ "rmsnorm",                run_rmsnorm,            1, SMALL },
	{ "rmsnorm, in place",      run_rmsnorm_in_place,   1, SMALL },
	{ "rmsnorm_backward",       run_rmsnorm_backward,   1, SMALL },
	{ "rmsnorm_backward, over", run_rmsnorm_over,       1, SMALL },
	{ "layernorm",              run_layernorm,          1, SMALL },
	{ "layernorm_backward",     run_layernorm_backward, 1, SMALL },
	{ "layernorm, bare",        run_layernorm_bare,     1, SMALL },
	{ "layernorm_backward, over", run_layernorm_over,   1, SMALL },
	{ "rope",                   run_rope,               1, SMALL },
	{ "rope, inverse",          run_rope_inverse,       1, SMALL },
	{ "silu_gate",              run_silu,               0, NUMBERS },
	{ "silu_gate_backward",     run_silu_backward,      0, NUMBERS },
	{ "gelu_tanh_gate",         run_gelu_tanh,          0, NUMBERS },
	{ "gelu_tanh_gate_backward", run_gelu_tanh_backward, 0, NUMBERS },
	{ "gelu_erf_gate",          run_gelu_erf,           0, NUMBERS },
	{ "gelu_erf_gate_backward", run_gelu_erf_backward,  0, NUMBERS },
	{ "softcap",                run_softcap,            0, NUMBERS },
	{ "softcap_backward",       run_softcap_backward,   0, NUMBERS },
	{ "cross_entropy",          run_cross_entropy,      0, NUMBERS },
	{ "adamw",                  run_adamw,              0, SMALL },
	{ "sgd",                    run_sgd,                0, SMALL },
	{ "dropout",                run_dropout,            0, NUMBERS },
	{ "half to f32",            run_from_half,          0, BITS },
	{ "f32 to half",            run_to_half,            0, BITS },
};
/* clang-format on */

static uint64_t state;

static uint32_t random_bits(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

/* Any number; many are infinite, NaN or half way between two of bf16 or f16. */
static uint32_t odd_bits(uint32_t u)
{
	switch (u % 8) {
	case 0:
		return u | 0x7f800000;
	case 1:
		return (u & 0xffff0000) | 0x8000;
	case 2:
		return (u & 0x87ffe000) | 0x38001000;
	}
	return u;
}

/* What a function may treat by itself, and where it changes its ways. */
static float special(uint32_t u)
{
	static const float x[] = {
		0, INFINITY, NAN, 1e-45f, 1e-39f, 1.1754944e-38f, 1e-20f,
		0.5f, 0.8f, 0.79999995f, 1, 0.99999994f, 4, 5, 88, 88.8f,
		103.9f, 1e10f, 1e20f, 3.4028235e38f,
	};

	return u & 256 ? x[u / 512 % NELEM(x)] : -x[u / 512 % NELEM(x)];
}

static float value(const struct kernel_case *c, int odd)
{
	uint32_t u = random_bits();

	if (odd && u % 4 == 0)
		return special(u >> 2);
	if (c->values == BITS)
		return f32_from_bits(odd_bits(u));
	if (c->values == NUMBERS && u % 64 == 0)
		return u % 128 ? -120.5f : 120.5f;
	return ((float)(u >> 8) * 0x1p-23f - 1) *
	       (c->values == NUMBERS ? 12 : 2);
}

struct image {
	float *base;
	size_t size, room;      /* floats: of all, of an array with guard */
};

static void run_on(const struct kernel_case *c, const struct kernels *k,
		   struct image to, struct image from, size_t n)
{
	float *x[ARRAYS];

	memcpy(to.base, from.base, from.size * sizeof(float));
	for (size_t i = 0; i < ARRAYS; i++)
		x[i] = to.base + 1 + i * to.room;
	c->run(k, x, n);
}

/* Nothing beyond the extent of any array was written. */
static void check_guards(const struct kernel_case *c, struct image got,
			 struct image first, size_t n)
{
	size_t extent = c->rows ? ROWS * (n + GAP) : n;

	for (size_t i = 0; i < ARRAYS; i++) {
		size_t at = 1 + i * got.room + extent;

		if (memcmp(got.base + at, first.base + at,
			   (got.room - 1 - extent) * sizeof(float)))
			fail_msg("%s: n %zu: written past the end", c->name, n);
	}
}

/* Which NaN it is depends on the order of operands: among odd values any will
 * do. */
static int same(struct image a, struct image b, int odd)
{
	for (size_t i = 0; i < a.size; i++)
		if (memcmp(a.base + i, b.base + i, sizeof(float)) &&
		    !(odd && isnan(a.base[i]) && isnan(b.base[i])))
			return 0;
	return 1;
}

static void check_case(const struct kernel_case *c, size_t n, int odd)
{
	struct image first, want, got;
	struct kernels k;
	const char *level;
	int usable;

	first.room = ROWS * (n + GAP) + GUARD;
	first.size = 1 + ARRAYS * first.room;
	want = got = first;
	first.base = malloc(first.size * sizeof(float));
	want.base = malloc(first.size * sizeof(float));
	got.base = malloc(first.size * sizeof(float));
	assert_true(first.base && want.base && got.base);
	for (size_t i = 0; i < first.size; i++)
		first.base[i] = value(c, odd);
	for (size_t i = 0; (level = kernels_level(i, &k, &usable)); i++) {
		if (!usable)
			continue;
		run_on(c, &k, i ? got : want, first, n);
		check_guards(c, i ? got : want, first, n);
		if (i && !same(got, want, odd))
			fail_msg("%s: n %zu: %s differs", c->name, n, level);
	}
	free(first.base);
	free(want.base);
	free(got.base);
}

static void every_level(void **unused)
{
	static const size_t large[] = { 63,  64,  65,  127,  240,  255, 256,
					257, 263, 511, 513,  576,  1000 };

	(void)unused;
	state = 88172645463325252;
	for (size_t c = 0; c < NELEM(cases); c++) {
		for (size_t n = 0; n < 50; n++)
			check_case(&cases[c], n, 0);
		for (size_t i = 0; i < NELEM(large); i++)
			check_case(&cases[c], large[i], 0);
	}
}

static void special_values(void **unused)
{
	(void)unused;
	state = 88172645463325252;
	for (size_t c = 0; c < NELEM(cases); c++)
		for (size_t i = 0; cases[c].values != BITS && i < 400; i++)
			check_case(&cases[c], i % 50, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_level),
		cmocka_unit_test(special_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
