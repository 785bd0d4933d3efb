/* One row times weights as they lie: every level gives plain C's bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/size.h"
#include "kernel/books.h"
#include "kernel/gemm.h"
#include "kernel/table.h"

#include "dice.h"

enum { MOST_K = 2 * GEMM_KC + 64, MOST_N = 2 * DOT_COLUMNS + 1 };

static const size_t columns[] = { 1, 15, 16, 17, 24, 47, 48, 49, MOST_N };

static struct dice d;
static float x[MOST_K];

static float number(void)
{
	return (float)(roll(&d, 4001) + 1) / 2000 - 1;
}

static float *numbers(size_t n)
{
	float *at = malloc(n * sizeof(*at));

	assert_non_null(at);
	for (size_t i = 0; i < n; i++)
		at[i] = number();
	return at;
}

/* No more than n bytes: a sanitizer sees what is read beyond. */
static uint8_t *bytes(size_t n)
{
	uint8_t *at = malloc(n);

	assert_non_null(at);
	for (size_t i = 0; i < n; i++)
		at[i] = (uint8_t)roll(&d, 256);
	return at;
}

static int set_up(void **state)
{
	(void)state;
	d.rng = rng_of(5, "dots");
	for (size_t i = 0; i < MOST_K; i++)
		x[i] = number();
	return 0;
}

/* A product, with the kernels of one level. */
typedef void product_fn(const struct kernels *k, const void *w, float *y,
			size_t nk, size_t nn, int first);

static void same_bits(product_fn *fn, const void *w, size_t nk, size_t nn)
{
	float want[MOST_N + 1], got[MOST_N + 1], from[MOST_N + 1];
	struct kernels k = { 0 };
	int usable;

	for (size_t j = 0; j < NELEM(from); j++)
		from[j] = number();
	for (int first = 0; first < 2; first++) {
		memcpy(want, from, sizeof(want));
		kernels_level(0, &k, &usable);
		fn(&k, w, want, nk, nn, first);
		assert_memory_not_equal(want, from, nn * sizeof(*want));
		for (size_t i = 1; kernels_level(i, &k, &usable); i++) {
			if (!usable)
				continue;
			memcpy(got, from, sizeof(got));
			fn(&k, w, got, nk, nn, first);
			assert_memory_equal(got, want, sizeof(got));
		}
	}
}

static void code4(const struct kernels *k, const void *w, float *y, size_t nk,
		  size_t nn, int first)
{
	k->dot_code4(y, x, w, nk, nn, first);
}

static void codes_of_4_bits(void **state)
{
	static const size_t ks[] = { 32, 64, 96, GEMM_KC, GEMM_KC + 32,
				     MOST_K };
	enum { FORMS = CODE4_HALVES_PLUS + 1, CASES = FORMS * NELEM(ks) };

	(void)state;
	for (size_t i = 0; i < CASES * NELEM(columns); i++) {
		size_t nn = columns[i / CASES], nk = ks[i / FORMS % NELEM(ks)];
		enum code4_form form = (enum code4_form)(i % FORMS);
		size_t gap = form < CODE4_HALVES ? 0 : 2 + 2 * roll(&d, 2);
		size_t unit = nk % 64 ? 32 : 64, stride = nn + DOT_COLUMNS;
		size_t row = nk / 32 * (16 + gap);
		uint8_t *code = bytes(nn * row);
		float *scale = numbers(nk / unit * stride);
		float *plus = numbers(nk / unit * stride);
		struct dot_code4 w = {
			{ code, row, nf4_book, scale, stride, unit, 0 },
			form, gap, has_plus(form) ? plus : NULL,
		};

		same_bits(code4, &w, nk, nn);
		free(code);
		free(scale);
		free(plus);
	}
}

static void code8(const struct kernels *k, const void *w, float *y, size_t nk,
		  size_t nn, int first)
{
	k->dot_code8(y, x, w, nk, nn, first);
}

static void codes_of_a_byte(void **state)
{
	static const size_t ks[] = { 32, 96, GEMM_KC + 32, MOST_K };
	enum { KINDS = 4, CASES = KINDS * NELEM(ks) };

	(void)state;
	for (size_t i = 0; i < CASES * NELEM(columns); i++) {
		size_t nn = columns[i / CASES], nk = ks[i / KINDS % NELEM(ks)];
		size_t unit = i % 2 ? 16 : 32, stride = nn + DOT_COLUMNS;
		uint8_t *code = bytes(nn * nk);
		float *scale = numbers(nk / unit * stride);
		float *plus = numbers(nk / unit * stride);
		struct pack_code8 w = {
			code, nk, i / 2 % 2 ? CODE8_LESS : CODE8_PLUS, scale,
			plus, stride, unit, 0,
		};

		same_bits(code8, &w, nk, nn);
		free(code);
		free(scale);
		free(plus);
	}
}

struct dense {
	const float *f32;
	const uint16_t *half;
	size_t stride;
};

static void f32(const struct kernels *k, const void *weight, float *y,
		size_t nk, size_t nn, int first)
{
	const struct dense *w = weight;

	k->dot_f32(y, x, w->f32, w->stride, nk, nn, first);
}

static void bf16(const struct kernels *k, const void *weight, float *y,
		 size_t nk, size_t nn, int first)
{
	const struct dense *w = weight;

	k->dot_bf16(y, x, w->half, w->stride, nk, nn, first);
}

static void f16(const struct kernels *k, const void *weight, float *y,
		size_t nk, size_t nn, int first)
{
	const struct dense *w = weight;

	k->dot_f16(y, x, w->half, w->stride, nk, nn, first);
}

static void numbers_as_they_are(void **state)
{
	static const size_t ks[] = { 1, 7, 31, 32, 33, 64, GEMM_KC,
				     GEMM_KC + 1, GEMM_KC + 40, MOST_K };

	(void)state;
	for (size_t i = 0; i < NELEM(ks) * NELEM(columns); i++) {
		size_t nk = ks[i % NELEM(ks)], nn = columns[i / NELEM(ks)];
		size_t stride = nk + roll(&d, 5);
		size_t n = (nn - 1) * stride + nk;
		float *w32 = numbers(n);
		uint16_t *w16 = malloc(n * sizeof(*w16));
		struct dense w = { w32, w16, stride };

		assert_non_null(w16);
		same_bits(f32, &w, nk, nn);
		for (size_t k = 0; k < n; k++)
			w16[k] = bf16_from_f32(w32[k]);
		same_bits(bf16, &w, nk, nn);
		for (size_t k = 0; k < n; k++)
			w16[k] = f16_from_f32(w32[k]);
		same_bits(f16, &w, nk, nn);
		free(w32);
		free(w16);
	}
}

static void a_transpose(void **state)
{
	enum { MOST = 49, STRIDE = MOST + 3 };
	float want[MOST * STRIDE], got[MOST * STRIDE];
	struct kernels k = { 0 };
	int usable;

	(void)state;
	for (size_t i = 0; i < 300; i++) {
		size_t rows = 1 + roll(&d, MOST), cols = 1 + roll(&d, MOST);
		float *src = numbers(rows * cols);

		memset(want, 0, sizeof(want));
		for (size_t r = 0; r < rows; r++)
			for (size_t c = 0; c < cols; c++)
				want[c * STRIDE + r] = src[r * cols + c];
		for (size_t l = 0; kernels_level(l, &k, &usable); l++) {
			if (!usable)
				continue;
			memset(got, 0, sizeof(got));
			k.transpose(got, STRIDE, src, rows, cols);
			assert_memory_equal(got, want, sizeof(got));
		}
		free(src);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes_of_4_bits),
		cmocka_unit_test(codes_of_a_byte),
		cmocka_unit_test(numbers_as_they_are),
		cmocka_unit_test(a_transpose),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
