#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "adapt/merge.h"
#include "base/half.h"
#include "quant/requant.h"
#include "tests/unit/golden.h"

#include <math.h>

/* A plain tensor from a golden file, under its own name or another. */
static void take(struct tensor *t, struct golden *g, const char *name,
		 const char *as, enum tensor_role role)
{
	size_t shape[GOLDEN_RANK], bytes;
	int rank = golden_shape(g, name, shape);
	const void *data = golden_raw(g, name, &bytes);

	assert_int_equal(tensor_init(t, as, role, golden_dtype(g, name), rank,
				     shape), 0);
	assert_int_equal(tensor_alloc(t), 0);
	memcpy(t->part[0].data, data, bytes);
}

/* A PEFT adapter directory's tensors under our names. */
static void add_adapter(struct merger *m, const char *dir, double alpha,
			int rslora, float scale)
{
	static const char front[] = "base_model.model.";
	char path[200], as[TENSOR_NAME];
	struct tensor_set set = { 0 };
	struct golden g;
	const char *name;
	json_t *v;

	snprintf(path, sizeof(path), "%s/adapter/adapter_model.safetensors",
		 dir);
	assert_int_equal(golden_load(&g, path), 0);
	json_object_foreach(g.header, name, v)
	{
		struct tensor t;

		if (strncmp(name, front, strlen(front)))
			continue;
		snprintf(as, sizeof(as), "%s", name + strlen(front));
		as[strlen(as) - strlen(".weight")] = 0;
		take(&t, &g, name, as, ROLE_ADAPTER);
		assert_int_equal(tensor_set_take(&set, &t), 0);
	}
	golden_close(&g);
	v = json_pack("{s:s, s:f, s:b}", "kind", "lora", "alpha", alpha,
		      "rslora", rslora);
	assert_non_null(v);
	assert_int_equal(merger_add(m, &set, v, scale), 0);
}

static void to_bf16(struct tensor *t)
{
	struct tensor b;

	assert_int_equal(tensor_init(&b, t->name, t->role, DTYPE_BF16, t->rank,
				     t->shape), 0);
	assert_int_equal(tensor_alloc(&b), 0);
	dtype_from_f32(b.part[0].data, DTYPE_BF16, t->part[0].data, t->count);
	tensor_release(t);
	*t = b;
}

static void check_golden(const char *dir, int rslora)
{
	struct merger m = { 0 };
	struct golden g, base;
	const char *name;
	json_t *v;
	size_t n = 0;
	double most = 0;

	golden_case(&g, dir);
	add_adapter(&m, dir, json_number(g.json, "alpha", 0), rslora, 1);
	assert_int_equal(golden_load(&base,
				     "A/llama/model/model.safetensors"), 0);
	assert_int_equal(merger_finish(&m), E_DATA);
	json_object_foreach(base.header, name, v)
	{
		char key[TENSOR_NAME];
		struct tensor t, got;
		const float *want, *have;

		snprintf(key, sizeof(key), "merged.%s", name);
		take(&t, &base, name, name,
		     strstr(name, "_proj") ? ROLE_LINEAR : ROLE_OTHER);
		assert_int_equal(merger_changes(&m, name), golden_has(&g, key));
		assert_int_equal(merge_tensor(&got, &t, &m, DTYPE_F32, NULL),
				 0);
		have = got.part[0].data;
		if (merger_changes(&m, name))
			want = golden_f32(&g, key, NULL);
		else
			want = t.part[0].data;
		for (size_t i = 0; i < t.count; i++)
			most = fmax(most, fabsf(have[i] - want[i]));
		n += (size_t)merger_changes(&m, name);
		tensor_release(&t);
		tensor_release(&got);
	}
	assert_int_equal(merger_finish(&m), 0);
	assert_true(n > 0);
	golden_report(dir, "merged weights", most, 2e-5);
	merger_release(&m);
	golden_close(&base);
	golden_close(&g);
}

static void test_lora(void **state)
{
	(void)state;
	check_golden("D/merge_lora", 0);
}

static void test_rslora(void **state)
{
	(void)state;
	check_golden("D/merge_rslora", 1);
}

/* The name of a weight that the case has merged, after "merged.". */
static const char *a_merged(const struct golden *g)
{
	const char *key;
	json_t *v;

	json_object_foreach(g->header, key, v)
		if (!strncmp(key, "merged.", 7))
			return key + 7;
	fail_msg("nothing is merged");
	return NULL;
}

/* One bf16 weight merged: rounded once, or twice as PEFT's safe_merge. */
static void check_bf16(int peft_safe, struct pool *pool)
{
	struct merger m = { .peft_safe = peft_safe };
	struct golden g, base;
	struct tensor t, got;
	const char *weight;
	const float *want, *from;
	const uint16_t *have, *was;
	size_t twice = 0;
	double alpha;

	golden_case(&g, "D/merge_lora");
	alpha = json_number(g.json, "alpha", 0);
	weight = a_merged(&g);
	add_adapter(&m, "D/merge_lora", alpha, 0, 0.5f);
	add_adapter(&m, "D/merge_lora", alpha, 0, 0.5f);
	assert_int_equal(golden_load(&base,
				     "A/llama/model/model.safetensors"), 0);
	take(&t, &base, weight, weight, ROLE_LINEAR);
	want = golden_f32(&g, weight - strlen("merged."), NULL);
	from = golden_f32(&base, weight, NULL);
	to_bf16(&t);
	was = t.part[0].data;
	assert_int_equal(merger_dtype(&m, &t), DTYPE_BF16);
	assert_int_equal(merge_tensor(&got, &t, &m, DTYPE_BF16, pool), 0);
	have = got.part[0].data;
	for (size_t i = 0; i < t.count; i++) {
		float w = f32_from_bf16(was[i]);
		float exact = w + (want[i] - from[i]);
		float v = f32_from_bf16(have[i]);

		assert_true(fabsf(v - exact) <=
			    0x1.1p-8f * fabsf(exact) + 1e-6f +
			    (peft_safe ? 0x1.1p-8f * fabsf(exact - w) : 0));
		twice += bf16_from_f32(exact) != have[i];
	}
	assert_true(peft_safe ? twice > t.count / 10 : twice < 8);
	tensor_release(&t);
	tensor_release(&got);
	merger_release(&m);
	golden_close(&base);
	golden_close(&g);
}

static void test_rounding(void **state)
{
	(void)state;
	check_bf16(0, NULL);
	check_bf16(1, NULL);
}

/* modules_to_save: the weight is replaced; scale goes part of the way. */
static void test_full(void **state)
{
	static const size_t shape[] = { 40, 1000 };
	struct merger m = { 0 };
	struct tensor_set set = { 0 };
	struct tensor t, p, got;
	struct pool *pool;
	const float *v;

	(void)state;
	assert_int_equal(tensor_init(&t, "lm_head.weight", ROLE_HEAD,
				     DTYPE_F32, 2, shape), 0);
	assert_int_equal(tensor_init(&p, "lm_head.weight", ROLE_ADAPTER,
				     DTYPE_F32, 2, shape), 0);
	assert_int_equal(tensor_alloc(&t) | tensor_alloc(&p), 0);
	for (size_t i = 0; i < p.count; i++)
		((float *)p.part[0].data)[i] = (float)i;
	assert_int_equal(tensor_set_take(&set, &p), 0);
	assert_int_equal(merger_add(&m, &set, json_object(), 0.5f), 0);
	assert_int_equal(pool_new(&pool, 2), 0);
	assert_int_equal(merge_tensor(&got, &t, &m, DTYPE_F32, pool), 0);
	v = got.part[0].data;
	for (size_t i = 0; i < got.count; i++)
		assert_true(v[i] == 0.5f * (float)i);
	pool_free(pool);
	tensor_release(&got);
	((float *)t.part[0].data)[1234] = INFINITY;
	assert_int_equal(merge_tensor(&got, &t, &m, DTYPE_F32, NULL), E_DATA);
	assert_string_equal(err_text(), "lm_head.weight: element 1234 is not "
					"finite as f32 after merging");
	((float *)t.part[0].data)[1234] = 2e5f;
	assert_int_equal(merge_tensor(&got, &t, &m, DTYPE_F16, NULL), E_DATA);
	tensor_release(&t);
	merger_release(&m);
}

/* The part of a node against "<when>.<module>.<name>". */
static size_t differences(struct golden *g, const struct tensor *t, int node,
			  const char *when, const char *name)
{
	char key[TENSOR_NAME];
	const struct tensor_part *p = &t->part[t->node[node].part];
	const unsigned char *want, *have = p->data;
	size_t bytes, n = 0;

	snprintf(key, sizeof(key), "%s.%.*s.%s", when,
		 (int)(strlen(t->name) - strlen(".weight")), t->name, name);
	want = golden_raw(g, key, &bytes);
	assert_int_equal(bytes, p->bytes);
	for (size_t i = 0; i < bytes; i++)
		n += want[i] != have[i];
	return n;
}

static void check_nf4(struct golden *g, struct golden *base, struct merger *m,
		      const char *name, struct pool *pool)
{
	struct quant_nf4 q = { 64, 1, QUANT_CPU };
	struct requant_report r;
	char key[TENSOR_NAME];
	struct tensor t, was, now, again;
	const float *want, *have;
	double most = 0;

	take(&t, base, name, name, ROLE_LINEAR);
	assert_int_equal(quant_nf4(&was, &t, &q, NULL), 0);
	assert_int_equal(differences(g, &was, 0, "before", "codes"), 0);
	assert_int_equal(differences(g, &was, 1, "before", "absmax_u8"), 0);
	assert_int_equal(merger_dtype(m, &was), DTYPE_F32);
	assert_int_equal(merge_tensor(&now, &was, m, DTYPE_F32, pool), 0);
	snprintf(key, sizeof(key), "float.%.*s",
		 (int)(strlen(name) - strlen(".weight")), name);
	want = golden_f32(g, key, NULL);
	have = now.part[0].data;
	for (size_t i = 0; i < t.count; i++)
		most = fmax(most, fabsf(have[i] - want[i]));
	golden_report("D/merge_into_nf4", "dequantised and merged", most,
		      2e-6);
	assert_int_equal(requant(&again, &was, &now, QUANT_CPU, &r, pool), 0);
	golden_report("D/merge_into_nf4", "requantised: bytes that differ",
		      (double)(differences(g, &again, 0, "after", "codes") +
			       differences(g, &again, 1, "after",
					   "absmax_u8")), 3);
	assert_true(r.survived > 0.8 && r.survived < 1.1 && r.delta > 0.1 &&
		    r.error > 0 && r.error < r.delta);
	tensor_release(&t);
	tensor_release(&was);
	tensor_release(&now);
	tensor_release(&again);
}

static void test_nf4(void **state)
{
	struct merger m = { 0 };
	struct golden g, base;
	struct pool *pool;
	const char *key;
	json_t *v;
	size_t n = 0;

	(void)state;
	golden_case(&g, "D/merge_into_nf4");
	add_adapter(&m, "D/merge_into_nf4", json_number(g.json, "alpha", 0), 0,
		    1);
	assert_int_equal(golden_load(&base,
				     "A/llama/model/model.safetensors"), 0);
	assert_int_equal(pool_new(&pool, 2), 0);
	json_object_foreach(g.header, key, v)
	{
		char name[TENSOR_NAME];

		if (strncmp(key, "float.", 6))
			continue;
		snprintf(name, sizeof(name), "%s.weight", key + 6);
		check_nf4(&g, &base, &m, name, pool);
		n++;
	}
	assert_true(n > 0);
	assert_int_equal(merger_finish(&m), 0);
	pool_free(pool);
	merger_release(&m);
	golden_close(&base);
	golden_close(&g);
}

/* A storage that is not made here, and a delta of nothing. */
static void test_requant(void **state)
{
	static const size_t shape[] = { 2, 64 };
	struct quant_nf4 q = { 64, 0, QUANT_CPU };
	struct requant_report r;
	struct tensor t, was, again;

	(void)state;
	assert_int_equal(tensor_init(&t, "w", ROLE_LINEAR, DTYPE_F32, 2,
				     shape), 0);
	assert_int_equal(tensor_alloc(&t), 0);
	((float *)t.part[0].data)[3] = 2;
	assert_int_equal(requant(&again, &t, &t, QUANT_CPU, &r, NULL),
			 E_CONFIG);
	assert_int_equal(quant_nf4(&was, &t, &q, NULL), 0);
	assert_int_equal(requant(&again, &was, &t, QUANT_CPU, &r, NULL), 0);
	assert_true(r.delta == 0 && isnan(r.survived) && r.error == 0);
	tensor_release(&t);
	tensor_release(&was);
	tensor_release(&again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lora),
		cmocka_unit_test(test_rslora),
		cmocka_unit_test(test_rounding),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_nf4),
		cmocka_unit_test(test_requant),
	};

	return cmocka_run_group_tests_name("merge", tests, NULL, NULL);
}
