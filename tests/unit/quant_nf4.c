#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/size.h"
#include "kernel/nf4.h"
#include "quant/quant_nf4.h"
#include "tests/unit/golden.h"

#include <math.h>

static const char *const cases[] = {
	"normal_f32", "normal_bf16", "normal_f16", "ragged_even_f32",
	"ragged_odd_f32", "ragged_bf16", "scales_f32", "short_f32",
	"single_f32", "zero_blocks_f32", "zero_tail_f32", "denormal_f32",
	"heavy_tail_f32", "huge_f16", "huge_f32", "boundary_nf4",
};

static char current[64]; /* case, for reports */

/* The case's x as a plain tensor. */
static void input(struct tensor *t, struct golden *g)
{
	size_t shape[GOLDEN_RANK], bytes;
	int rank = golden_shape(g, "x", shape);
	const void *x = golden_raw(g, "x", &bytes);

	assert_int_equal(tensor_init(t, "w", ROLE_LINEAR, golden_dtype(g, "x"),
				     rank, shape), 0);
	assert_int_equal(tensor_alloc(t), 0);
	assert_int_equal(t->part[0].bytes, bytes);
	memcpy(t->part[0].data, x, bytes);
}

static void report(const char *what, double difference)
{
	golden_report(current, what, difference, 0);
}

/* Part of a node is what the case has under "<prefix><name>", but for what is
 * over in the last byte: 0 here, the code of 0 there. */
static void same(struct golden *g, const struct tensor *t, int node,
		 const char *rule, const char *key, const char *name)
{
	char full[100];
	const struct tensor_part *p = &t->part[t->node[node].part];
	const unsigned char *want, *have = p->data;
	size_t bytes, differ = 0;

	snprintf(full, sizeof(full), "%s%s%s", rule, key, name);
	if (!golden_has(g, full)) /* the CUDA rule gives the same */
		snprintf(full, sizeof(full), "%s%s", key, name);
	want = golden_raw(g, full, &bytes);
	assert_int_equal(p->bytes, bytes);
	for (size_t i = 0; i < bytes; i++) {
		unsigned over = i == bytes - 1 && p->dtype == DTYPE_U4 &&
				p->count % 2 ? NF4_ZERO : 0;

		differ += (have[i] | over) != want[i];
		assert_true(!(have[i] & over));
	}
	report(*rule ? "codes and scales: bytes that differ, CUDA's rules"
		     : "codes and scales: bytes that differ", (double)differ);
}

/* The value that storage says element e has. */
static float decoded(const struct tensor *t, size_t e)
{
	const struct storage *s = t->node;
	const uint8_t *code = t->part[s[0].part].data;
	size_t g = e / s[0].block;
	float scale;

	if (s[1].kind == STORE_RAW) {
		scale = ((const float *)t->part[s[1].part].data)[g];
	} else {
		const uint8_t *c = t->part[s[1].part].data;
		const float *top = t->part[s[2].part].data;

		scale = dyn8_book[c[g]] * top[g / s[1].block] +
			(float)s[3].value;
	}
	return nf4_book[e % 2 ? code[e / 2] & 15 : code[e / 2] >> 4] * scale;
}

static void check_decoded(struct golden *g, const struct tensor *t,
			  const char *key, const char *name)
{
	char full[100];
	size_t n, differ = 0, bits = dtype_bits(golden_dtype(g, "x"));
	const char *want;

	snprintf(full, sizeof(full), "%s%s", key, name);
	if (!golden_has(g, full))
		return;
	want = golden_raw(g, full, NULL);
	n = golden_count(g, full);
	assert_int_equal(n, t->count);
	for (size_t e = 0; e < n; e++) {
		float v = decoded(t, e);
		char got[8];

		assert_int_equal(dtype_from_f32(got, golden_dtype(g, "x"), &v,
						1), 0);
		differ += memcmp(got, want + e * bits / 8, bits / 8) != 0;
	}
	report("decoded: values that differ", (double)differ);
}

static void check_plain(struct golden *g, const struct tensor *x,
			const struct quant_nf4 *q, const char *key,
			struct pool *pool)
{
	const char *rule = q->rule == QUANT_CUDA ? "cuda." : "";
	struct tensor t;

	assert_int_equal(quant_nf4(&t, x, q, pool), 0);
	assert_int_equal(t.node[0].kind, STORE_NF4);
	assert_int_equal(t.node[0].dtype, x->dtype);
	assert_int_equal(t.node[0].block, q->block);
	same(g, &t, 0, rule, key, "q");
	same(g, &t, 1, rule, key, "absmax");
	if (q->rule == QUANT_CPU)
		check_decoded(g, &t, key, "dq");
	tensor_release(&t);
}

static void check_nested(struct golden *g, const struct tensor *x,
			 const struct quant_nf4 *q, const char *key,
			 struct pool *pool)
{
	const char *rule = q->rule == QUANT_CUDA ? "cuda." : "";
	char name[100];
	struct tensor t;
	float offset;

	snprintf(name, sizeof(name), "%snested.offset", key);
	offset = golden_f32(g, name, NULL)[0];
	if (!isfinite(offset)) {
		assert_int_equal(quant_nf4(&t, x, q, pool), E_DATA);
		assert_non_null(strstr(err_text(), "w: "));
		return;
	}
	assert_int_equal(quant_nf4(&t, x, q, pool), 0);
	same(g, &t, 0, rule, key, "q");
	same(g, &t, 1, rule, key, "nested.absmax_u8");
	same(g, &t, 2, "", key, "nested.absmax");
	report("offset", fabs(t.node[3].value - (double)offset));
	if (q->rule == QUANT_CPU)
		check_decoded(g, &t, key, "nested.dq");
	tensor_release(&t);
}

static void check_case(const char *name, enum quant_rule rule,
		       struct pool *pool)
{
	char key[32];
	struct golden g;
	struct tensor x;
	json_t *size;
	size_t i;

	snprintf(current, sizeof(current), "C/quant4/%s", name);
	golden_case(&g, current);
	input(&x, &g);
	json_array_foreach(json_object_get(g.json, "blocksizes"), i, size)
	{
		struct quant_nf4 q = { (size_t)json_integer_value(size), 0,
				       rule };

		snprintf(key, sizeof(key), "nf4.b%zu.", q.block);
		check_plain(&g, &x, &q, key, pool);
		q.nested = 1;
		check_nested(&g, &x, &q, key, pool);
	}
	tensor_release(&x);
	golden_close(&g);
}

static void test_cpu(void **state)
{
	struct pool *pool;

	(void)state;
	assert_int_equal(pool_new(&pool, 3), 0);
	for (size_t i = 0; i < NELEM(cases); i++) {
		check_case(cases[i], QUANT_CPU, NULL);
		check_case(cases[i], QUANT_CPU, pool);
	}
	pool_free(pool);
}

static void test_cuda(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++)
		check_case(cases[i], QUANT_CUDA, NULL);
}

static void test_not_finite(void **state)
{
	struct quant_nf4 q = { 64, 1, QUANT_CPU };
	struct golden g;
	struct tensor x, t;

	(void)state;
	golden_case(&g, "C/quant4/nonfinite_f32");
	input(&x, &g);
	assert_int_equal(quant_nf4(&t, &x, &q, NULL), E_DATA);
	assert_string_equal(err_text(), "w: element [0, 3] is NaN");
	((float *)x.part[0].data)[3] = 0;
	assert_int_equal(quant_nf4(&t, &x, &q, NULL), E_DATA);
	assert_string_equal(err_text(), "w: element [1, 5] is infinity");
	((float *)x.part[0].data)[64 + 5] = 0;
	assert_int_equal(quant_nf4(&t, &x, &q, NULL), E_DATA);
	assert_string_equal(err_text(), "w: element [2, 9] is -infinity");
	golden_report("C/quant4/nonfinite_f32", "values that are not refused",
		      0, 0);
	tensor_release(&x);
	golden_close(&g);
}

/* Larger than a task, in every part: the same bytes for any pool. */
static void test_threads(void **state)
{
	enum { N = 64 * 4096 * 3 + 1000 };
	struct quant_nf4 q = { 64, 1, QUANT_CPU };
	size_t shape = N;
	struct tensor x, one, two;
	struct pool *pool;
	float *v;

	(void)state;
	assert_int_equal(tensor_init(&x, "w", ROLE_LINEAR, DTYPE_F32, 1,
				     &shape), 0);
	assert_int_equal(tensor_alloc(&x), 0);
	v = x.part[0].data;
	for (size_t i = 0; i < N; i++)
		v[i] = (float)((int)(i * 2654435761u >> 8 & 0xffff) - 32768) *
		       (1 + (float)(i / 64 % 977)) * 1e-4f;
	assert_int_equal(pool_new(&pool, 3), 0);
	assert_int_equal(quant_nf4(&one, &x, &q, NULL), 0);
	assert_int_equal(quant_nf4(&two, &x, &q, pool), 0);
	for (int i = 0; i < 3; i++)
		assert_memory_equal(one.part[i].data, two.part[i].data,
				    one.part[i].bytes);
	pool_free(pool);
	tensor_release(&x);
	tensor_release(&one);
	tensor_release(&two);
}

static void test_block(void **state)
{
	(void)state;
	assert_true(quant_nf4_block_ok(32) && quant_nf4_block_ok(4096));
	assert_false(quant_nf4_block_ok(0) || quant_nf4_block_ok(16) ||
		     quant_nf4_block_ok(96) || quant_nf4_block_ok(8192));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cpu),
		cmocka_unit_test(test_cuda),
		cmocka_unit_test(test_not_finite),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_block),
	};

	return cmocka_run_group_tests_name("quant_nf4", tests, NULL, NULL);
}
