/* Weights in every storage: rows, blocks and products give one set of bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/size.h"
#include "kernel/books.h"
#include "weight/gguf_blocks.h"
#include "weight/weight.h"

#include "levels.h"
#include "stored.h"

static unsigned code_of(const struct tensor_part *p, int bits, size_t e)
{
	const unsigned char *at = p->data;
	unsigned c = 0;

	for (size_t b = e * (size_t)bits; b < (e + 1) * (size_t)bits; b++)
		c = c << 1 | (at[b / 8] >> (7 - b % 8) & 1);
	return c;
}

/* tensor.h's table, word for word. */
static float value_at(const struct tensor *t, int node, size_t e)
{
	const struct storage *s = &t->node[node];
	const struct tensor_part *p = s->part < 0 ? NULL : &t->part[s->part];
	float x = 0, scale, unit[GGUF_UNIT];
	unsigned c;

	if (s->kind == STORE_CONST)
		return (float)s->value;
	if (s->kind == STORE_GGUF) { /* tests/unit/blocks.c has the values */
		gguf_block_named(s->format)->decode(unit, p->data,
						    e / GGUF_UNIT, 1);
		return unit[e % GGUF_UNIT];
	}
	if (s->kind == STORE_RAW && p->dtype == DTYPE_U8)
		return ((unsigned char *)p->data)[e];
	if (s->kind == STORE_RAW) {
		dtype_to_f32(&x, p->dtype, (char *)p->data +
			     e * (dtype_bits(p->dtype) / 8), 1);
		return x;
	}
	scale = value_at(t, s->scale, e / s->block);
	c = code_of(p, s->kind == STORE_DYN8 ? 8 : s->kind == STORE_INT ||
		    s->kind == STORE_BOOK ? s->bits : 4, e);
	if (s->kind == STORE_INT)
		x = scale * ((float)c - (s->zero < 0 ? 0 :
			     value_at(t, s->zero, e / s->block)));
	else
		x = scale * (s->kind == STORE_NF4 ? nf4_book[c] :
			     s->kind == STORE_FP4 ? fp4_book[c] :
			     s->kind == STORE_DYN8 ? dyn8_book[c] : s->book[c]);
	return s->shift < 0 ? x : x + value_at(t, s->shift, e / s->block);
}

static int same(float a, float b)
{
	return f32_bits(a) == f32_bits(b);
}

/* Block [k0, k1) x [n0, n1) against single elements. */
static void check_block(const struct weight *w, enum gemm_use use, size_t k0,
			size_t k1, size_t n0, size_t n1)
{
	size_t nk = k1 - k0, panels = size_ceil(n1 - n0, GEMM_NR);
	size_t bytes = size_align(panels * GEMM_NR * nk * 4 + 64, 64);
	float *dst = aligned_alloc(64, bytes);

	memset(dst, 0xff, bytes);
	w->format->pack(w, dst, k0, k1, n0, n1, use);
	for (size_t j = 0; j < panels * GEMM_NR; j++)
		for (size_t k = 0; k < nk; k++) {
			size_t r = use == GEMM_NT ? n0 + j : k0 + k;
			size_t c = use == GEMM_NT ? k0 + k : n0 + j;
			float want = n0 + j < n1 ?
				value_at(w->tensor, 0, r * w->cols + c) : 0;
			float got = dst[j / GEMM_NR * GEMM_NR * nk +
					k * GEMM_NR + j % GEMM_NR];

			if (!same(got, want))
				fail_msg("%s %zux%zu use %d k %zu n %zu: %g "
					 "not %g", w->format->name, w->rows,
					 w->cols, use, k0 + k, n0 + j, got,
					 want);
		}
	for (size_t i = panels * GEMM_NR * nk * 4; i < bytes; i++)
		assert_int_equal(((unsigned char *)dst)[i], 0xff);
	free(dst);
}

static void check_packs(const struct weight *w, enum gemm_use use)
{
	size_t K = use == GEMM_NT ? w->cols : w->rows;
	size_t N = use == GEMM_NT ? w->rows : w->cols;

	for (size_t k = 0; k < K; k += GEMM_KC) {
		size_t end = size_min(k + GEMM_KC, K);

		for (size_t n = 0; n < N; n += 5 * GEMM_NR)
			check_block(w, use, k, end, n,
				    size_min(n + 5 * GEMM_NR, N));
		if (N)
			check_block(w, use, k, end, 0, N);
	}
}

static void check_rows(const struct weight *w)
{
	size_t n = w->rows * w->cols;
	float *all = malloc((n + 1) * 4), *some = malloc((n + 1) * 4);

	w->format->rows(w, all, 0, w->rows);
	for (size_t e = 0; e < n; e++)
		assert_true(same(all[e], value_at(w->tensor, 0, e)));
	if (w->rows > 2) {
		w->format->rows(w, some, 1, w->rows - 2);
		assert_memory_equal(some, all + w->cols, (n - 2 * w->cols) * 4);
	}
	if (n > 7) {
		assert_int_equal(weight_decode(w->tensor, some, 3, n - 5), 0);
		assert_memory_equal(some, all + 3, (n - 5) * 4);
	}
	assert_int_not_equal(weight_decode(w->tensor, some, 1, n), 0);
	free(all);
	free(some);
}

static void test_blocks_and_rows_are_the_values(void **arg)
{
	(void)arg;
	for (size_t i = 0; i < NELEM(kinds); i++)
		for (size_t j = 0; j < NELEM(shapes); j++) {
			struct tensor t;
			struct weight w;

			if (!fits(&kinds[i], shapes[j]))
				continue;
			make(&t, &kinds[i], shapes[j][0], shapes[j][1]);
			assert_int_equal(weight_bind(&w, &t), 0);
			assert_string_equal(w.format->name, kinds[i].format);
			check_packs(&w, GEMM_NT);
			check_packs(&w, GEMM_NN);
			check_rows(&w);
			tensor_release(&t);
		}
}

/* Which NaN comes out of two is not said. */
static void check_same(const float *got, const float *want, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!same(got[i], want[i]) &&
		    !(isnan(got[i]) && isnan(want[i])))
			fail_msg("%zu of %zu: %g not %g", i, n, got[i],
				 want[i]);
}

/* A product with w and with w's values in f32, for every storage. */
static void check_product(const struct weight *w, enum gemm_use use,
			  size_t m, size_t lanes)
{
	size_t k = use == GEMM_NT ? w->cols : w->rows;
	size_t n = use == GEMM_NT ? w->rows : w->cols;
	float *dense = malloc(w->rows * w->cols * 4 + 4);
	struct gemm_dense d = { dense, w->rows, w->cols, w->cols };
	float *x = malloc(m * k * 4 + 4), *y = malloc(m * n * 8 + 4);
	struct gemm_output o = { .y = y, .stride = n, .n = n, .nterm = 1 };
	struct pool *pool;
	void *space;

	assert_int_equal(pool_new(&pool, lanes), 0);
	space = aligned_alloc(64, size_align(gemm_space(pool, m, k, 1), 64));
	for (size_t i = 0; i < m * k; i++)
		x[i] = noise();
	w->format->rows(w, dense, 0, w->rows);
	o.term[0] = weight_term(w, x, k, use);
	assert_int_equal(o.term[0].compute, w->compute);
	gemm(pool, space, m, &o, 1);
	o.add = 1;
	gemm(pool, space, m, &o, 1);
	o.add = 0;
	o.y = y + m * n;
	o.term[0].pack = gemm_pack_dense;
	o.term[0].dot = NULL;
	o.term[0].w = &d;
	gemm(pool, space, m, &o, 1);
	o.add = 1;
	gemm(pool, space, m, &o, 1);
	check_same(y, o.y, m * n);
	pool_free(pool);
	free(space);
	free(dense);
	free(x);
	free(y);
}

static void test_products_see_the_values(void **arg)
{
	static const size_t rows[] = { 1, 6, 130 };

	(void)arg;
	for (size_t i = 0; i < NELEM(kinds); i++)
		for (size_t j = 0; j < NELEM(shapes); j++) {
			struct tensor t;
			struct weight w;

			if (!fits(&kinds[i], shapes[j]))
				continue;
			make(&t, &kinds[i], shapes[j][0], shapes[j][1]);
			assert_int_equal(weight_bind(&w, &t), 0);
			for (size_t r = 0; r < NELEM(rows); r++) {
				check_product(&w, GEMM_NT, rows[r], r + 1);
				check_product(&w, GEMM_NN, rows[r], r + 1);
			}
			w.compute = GEMM_BF16;
			check_product(&w, GEMM_NT, 6, 2);
			check_product(&w, GEMM_NN, 6, 2);
			tensor_release(&t);
		}
}

static void test_unfit_tensors_are_refused(void **arg)
{
	const struct stored nf4 = { "", STORE_NF4, DTYPE_U4, 4, 64, PLAIN };
	struct tensor t;
	struct weight w;

	(void)arg;
	make(&t, &nf4, 4, 64);
	assert_int_equal(weight_bind(&w, &t), 0);
	t.rank = 3;
	assert_int_equal(weight_bind(&w, &t), E_DATA);
	t.rank = 2;
	t.node[0].block = 16; /* then there are too few scales */
	assert_int_equal(weight_bind(&w, &t), E_DATA);
	t.node[0].block = 0;
	assert_int_equal(weight_bind(&w, &t), E_DATA);
	t.node[0].block = 64;
	t.node[0].scale = 0; /* its own child */
	assert_int_equal(weight_bind(&w, &t), E_DATA);
	t.node[0].scale = 1;
	t.part[t.node[0].part].bytes--;
	assert_int_equal(weight_bind(&w, &t), E_DATA);
	t.part[t.node[0].part].bytes++;
	t.node[0].kind = STORE_GGUF;
	assert_int_equal(weight_bind(&w, &t), E_DATA);
	strcpy(t.node[0].format, "q8_0"); /* of which there is half */
	assert_int_equal(weight_bind(&w, &t), E_DATA);
	strcpy(t.node[0].format, "q4_k");
	t.count = t.node[0].count = 224;
	assert_int_equal(weight_bind(&w, &t), E_DATA);
	tensor_release(&t);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks_and_rows_are_the_values),
		cmocka_unit_test(test_products_see_the_values),
		cmocka_unit_test(test_unfit_tensors_are_refused),
	};

	(void)argc;
	return each_level(cmocka_run_group_tests(tests, NULL, NULL), argv);
}
