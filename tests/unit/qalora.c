/* qalora - against the reference: products, and zeros after merging */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "adapt/merge.h"
#include "base/size.h"
#include "quant/quant_int.h"
#include "tests/unit/golden.h"

#include <math.h>

static const char *const pools[] = { "mean", "sum", "peft" };

struct bench {
	struct golden g;
	const char *name;
	struct tensor base;     /* W, quantised */
	struct merger merger;
	size_t out, in, rank, n;
};

static void take(struct tensor *t, struct golden *g, const char *name,
		 const char *as, enum tensor_role role)
{
	size_t shape[GOLDEN_RANK], bytes;
	int rank = golden_shape(g, name, shape);
	const void *data = golden_raw(g, name, &bytes);

	assert_int_equal(tensor_init(t, as, role, DTYPE_F32, rank, shape), 0);
	assert_int_equal(tensor_alloc(t), 0);
	memcpy(t->part[0].data, data, bytes);
}

/* copies of the adapter */
static void add_adapter(struct bench *b, const char *pool, float scale)
{
	struct tensor_set set = { 0 };
	struct tensor t;

	take(&t, &b->g, "lora_A", "m.q.lora_A", ROLE_ADAPTER);
	b->rank = t.shape[0];
	assert_int_equal(tensor_set_take(&set, &t), 0);
	take(&t, &b->g, "lora_B", "m.q.lora_B", ROLE_ADAPTER);
	assert_int_equal(tensor_set_take(&set, &t), 0);
	assert_int_equal(merger_add(&b->merger, &set, json_pack(
		"{s:s, s:s, s:f, s:i}", "kind", "qalora", "qalora_pool", pool,
		"alpha", json_number(b->g.json, "alpha", 0), "r",
		(int)b->rank), scale), 0);
}

static void setup(struct bench *b, const char *name, enum int_grid_zero zero)
{
	struct quant_int q = { .grid = { .zero = zero, .scale = DTYPE_F32 } };
	struct tensor w;

	memset(b, 0, sizeof(*b));
	b->name = name;
	golden_case(&b->g, name);
	take(&w, &b->g, "W", "m.q.weight", ROLE_LINEAR);
	b->out = w.shape[0];
	b->in = w.shape[1];
	b->n = golden_count(&b->g, "x") / b->in;
	q.grid.bits = (int)json_number(b->g.json, "bits", 0);
	q.group = (size_t)json_number(b->g.json, "group", 0);
	assert_int_equal(quant_int(&b->base, &w, &q, NULL), 0);
	tensor_release(&w);
}

static void teardown(struct bench *b)
{
	tensor_release(&b->base);
	merger_release(&b->merger);
	golden_close(&b->g);
}

static void load(struct adapter_set *s, const struct bench *b,
		 const char *pool)
{
	struct adapter_site site = { "m.q", b->out, b->in, ROLE_LINEAR,
				     b->base.node[0].block };
	json_t *extra = json_pack("{s:s}", "qalora_pool", pool);
	struct adapter_options o = {
		.kind = "qalora", .rank = b->rank, .extra = extra,
		.alpha = json_number(b->g.json, "alpha", 0),
	};

	assert_int_equal(adapter_set_add(s, &site, &o), 0);
	assert_int_equal(adapter_set_place(s, 0), 0);
	assert_int_equal(adapter_set_load(s, &b->merger.at[0].tensors), 0);
	json_decref(extra);
}

/* y (n, out) of x through w, and the adapter if there is one. */
static void product(float *y, struct bench *b, const struct tensor *t,
		    const struct adapter_set *s)
{
	float *x = golden_f32(&b->g, "x", NULL);
	void *space = aligned_alloc(64, size_align(gemm_space(
				NULL, b->n, 2 * b->in + b->out, 2), 64));
	float *keep = calloc(b->n * b->rank, sizeof(*keep));
	struct adapt_pass p = { .space = space,
				.keep = mat_of(keep, b->n, b->rank) };
	struct gemm_output o = { .y = y, .stride = b->out, .n = b->out,
				 .nterm = 1 };
	struct weight w;

	assert_int_equal(weight_bind(&w, t), 0);
	o.term[0] = weight_term(&w, x, b->in, GEMM_NT);
	if (s)
		s->at[0].kind->forward(&s->at[0], &p, mat_of(x, b->n, b->in),
				       &o);
	gemm(NULL, space, b->n, &o, 1);
	free(space);
	free(keep);
}

static double largest(const float *a, const float *b, size_t n)
{
	double most = 0, size = 0;

	for (size_t i = 0; i < n; i++) {
		most = fmax(most, fabs((double)a[i] - (double)b[i]));
		size = fmax(size, fabs((double)b[i]));
	}
	return most / size;
}

static void check_pool(const char *name, const char *pool)
{
	struct adapter_set s = { 0 };
	struct tensor merged;
	struct bench b;
	char key[64];
	float *y;
	const struct storage *was, *is;

	setup(&b, name, GRID_REAL);
	add_adapter(&b, pool, 1);
	load(&s, &b, pool);
	y = calloc(2 * b.n * b.out, sizeof(*y));
	product(y, &b, &b.base, &s);
	snprintf(key, sizeof(key), "y.%s", pool);
	golden_report(name, key, largest(y, golden_f32(&b.g, key, NULL),
					 b.n * b.out), 2e-6);
	assert_true(merger_keeps_codes(&b.merger, &b.base));
	if (merge_zeros(&merged, &b.base, &b.merger, NULL))
		fail_msg("%s", err_text());
	was = b.base.node;
	is = merged.node;
	assert_memory_equal(b.base.part[was->part].data,
			    merged.part[is->part].data,
			    merged.part[is->part].bytes);
	assert_memory_equal(b.base.part[was[was->scale].part].data,
			    merged.part[is[is->scale].part].data,
			    merged.part[is[is->scale].part].bytes);
	snprintf(key, sizeof(key), "zero.merged.%s", pool);
	golden_report(name, key,
		      largest(merged.part[is[is->zero].part].data,
			      golden_f32(&b.g, key, NULL),
			      golden_count(&b.g, key)), 2e-7);
	product(y + b.n * b.out, &b, &merged, NULL);
	golden_report(name, "merged product, against base and adapter",
		      largest(y + b.n * b.out, y, b.n * b.out), 2e-6);
	free(y);
	tensor_release(&merged);
	adapter_set_release(&s);
	teardown(&b);
}

static void products_and_merged_zeros(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(pools); i++) {
		check_pool("E/qalora_b4", pools[i]);
		check_pool("E/qalora_b3", pools[i]);
		check_pool("E/qalora_b2", pools[i]);
	}
}

/* Zeros that are codes, or one constant, become f32; two adapters and scales
 * add up; any pool. */
static void zeros_of_any_storage(void **state)
{
	struct tensor merged, again;
	struct adapter_set s = { 0 };
	struct pool *pool;
	struct bench b;
	float *y, *z;

	(void)state;
	assert_int_equal(pool_new(&pool, 3), 0);
	for (int zero = GRID_REAL; zero <= GRID_MIDDLE; zero++) {
		setup(&b, "E/qalora_b4", (enum int_grid_zero)zero);
		add_adapter(&b, "mean", 1.5f);
		add_adapter(&b, "mean", -0.5f);
		load(&s, &b, "mean");
		y = calloc(2 * b.n * b.out, sizeof(*y));
		z = y + b.n * b.out;
		product(y, &b, &b.base, &s);
		assert_int_equal(merge_zeros(&merged, &b.base, &b.merger,
					     pool), 0);
		product(z, &b, &merged, NULL);
		assert_true(largest(z, y, b.n * b.out) < 2e-6);
		assert_int_equal(merge_zeros(&again, &b.base, &b.merger,
					     NULL), 0);
		for (int i = 0; i < again.npart; i++)
			assert_memory_equal(again.part[i].data,
					    merged.part[i].data,
					    again.part[i].bytes);
		free(y);
		tensor_release(&merged);
		tensor_release(&again);
		adapter_set_release(&s);
		teardown(&b);
	}
	pool_free(pool);
}

static void what_does_not_go_together(void **state)
{
	struct tensor merged;
	struct bench b;

	(void)state;
	setup(&b, "E/qalora_b4", GRID_REAL);
	b.base.node[0].block *= 2; /* as if the groups were larger */
	add_adapter(&b, "mean", 1);
	assert_int_equal(merge_zeros(&merged, &b.base, &b.merger, NULL),
			 E_CONFIG);
	assert_non_null(strstr(err_text(), "--dtype"));
	b.base.node[0].block /= 2;
	b.merger.dtype = DTYPE_F32;
	assert_false(merger_keeps_codes(&b.merger, &b.base));
	b.merger.dtype = DTYPE_NONE;
	json_object_set_new(b.merger.at[0].config, "kind",
			    json_string("lora"));
	assert_false(merger_keeps_codes(&b.merger, &b.base));
	teardown(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(products_and_merged_zeros),
		cmocka_unit_test(zeros_of_any_storage),
		cmocka_unit_test(what_does_not_go_together),
	};

	return cmocka_run_group_tests_name("qalora", tests, NULL, NULL);
}
