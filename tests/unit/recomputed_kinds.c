/* recomputed_kinds - computing layers twice does not change a byte of any
 * kind's gradients, nor of biases' */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "adapt/spec.h"
#include "golden.h"
#include "model.h"
#include "trace.h"

static void stir(struct adapter_set *s)
{
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < s->at[i].nparam; k++) {
			struct adapter_param *p = &s->at[i].param[k];

			for (size_t e = 0; e < p->rows * p->cols; e++)
				p->at[e] += (float)((int)(e * 7 % 11) - 5) /
					    128;
		}
}

static void adapt(struct model *m, const char *kind, const char *bias)
{
	struct adapter_sites sites = { 0 };
	json_t *config = json_pack("{s:s, s:i, s:i, s:f, s:s, s:s, s:i}",
				   "kind", kind, "r", 4, "alpha", 8,
				   "dropout", 0.1, "target_modules",
				   "all-linear", "bias", bias,
				   "qalora_group_size", 8);

	for (size_t i = 0; i < m->base.n; i++)
		assert_int_equal(adapter_sites_add(&sites, &m->base.at[i]),
				 0);
	assert_int_equal(adapter_set_make(&m->adapters, config, &sites), 0);
	assert_int_equal(adapter_set_place(&m->adapters, 1), 0);
	assert_int_equal(adapter_set_init(&m->adapters, &m->base, 1), 0);
	stir(&m->adapters);
	assert_int_equal(program_adapt(m->p, &m->adapters), 0);
	adapter_sites_release(&sites);
	json_decref(config);
}

static void traced(const char *dir, const char *kind, const char *bias,
		   size_t recompute, struct trace *t)
{
	struct golden g;
	struct model m;
	struct model_batch b;

	golden_case(&g, dir);
	model_open(&m, dir, 1 + recompute);
	adapt(&m, kind, bias);
	model_batch(&b, &g, 0, model_sequences(&g));
	plan(&m, b.batch.n, 1, recompute);
	trace(&m, &b, 1, t);
	model_batch_release(&b);
	model_close(&m);
	golden_close(&g);
}

static void check(const char *dir, const char *kind, const char *bias)
{
	struct trace one, two;

	traced(dir, kind, bias, 0, &one);
	for (size_t layers = 1; layers <= 2; layers++) {
		traced(dir, kind, bias, layers, &two);
		assert_int_equal(one.ngrad, two.ngrad);
		if (memcmp(one.grad, two.grad, one.ngrad * sizeof(float)))
			fail_msg("%s: %s, bias %s, %zu layers twice", dir,
				 kind, bias, layers);
		trace_release(&two);
	}
	trace_release(&one);
}

static void layers_twice(void **state)
{
	static const char *const on[] = { "A/gpt2", "A/qwen2", "A/gpt_neox" };
	static const char *const kinds[] = { "lora", "dora", "qalora", "iec",
					     "lora_bias" };

	(void)state;
	for (size_t i = 0; i < sizeof(on) / sizeof(on[0]); i++)
		for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
			check(on[i], kinds[k], "none");
			check(on[i], kinds[k], "all");
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layers_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
