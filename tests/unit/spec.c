/* spec - PEFT's matching, as tables of names and answers */
#include "adapt/spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static const char *const linear[] = {
	"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
	"self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj",
};

static void add(struct adapter_sites *s, const char *name,
		enum tensor_role role, size_t rows, size_t cols)
{
	struct tensor t;
	size_t dims[2] = { rows, cols };

	assert_int_equal(tensor_init(&t, name, role, DTYPE_F32, 2, dims), 0);
	assert_int_equal(adapter_sites_add(s, &t), 0);
	tensor_release(&t);
}

/* A Llama of 12 layers. */
static struct adapter_sites sites(void)
{
	struct adapter_sites s = { 0 };
	char name[128];

	add(&s, "model.embed_tokens.weight", ROLE_EMBED, 40, 16);
	for (int l = 0; l < 12; l++)
		for (size_t i = 0; i < 7; i++) {
			snprintf(name, sizeof(name),
				 "model.layers.%d.%s.weight", l, linear[i]);
			add(&s, name, ROLE_LINEAR, 16, 16);
		}
	add(&s, "model.norm.weight", ROLE_NORM, 1, 16);
	add(&s, "lm_head.weight", ROLE_HEAD, 40, 16);
	return s;
}

/* The adapters that these options make; -1: refused. */
static int made(struct adapter_set *set, const char *options)
{
	struct adapter_sites s = sites();
	json_t *config;
	int err;

	memset(set, 0, sizeof(*set));
	assert_int_equal(json_parse(&config, options, strlen(options)), 0);
	err = adapter_set_make(set, config, &s);
	json_decref(config);
	adapter_sites_release(&s);
	if (err)
		assert_int_equal(err, E_CONFIG);
	return err ? -1 : (int)set->n;
}

static void modules_are_matched_as_peft_does(void **state)
{
	static const struct {
		const char *options;
		int n;
	} row[] = {
		{ "{\"target_modules\":\"all-linear\"}", 84 },
		{ "{\"target_modules\":[\"q_proj\",\"v_proj\"]}", 24 },
		{ "{\"target_modules\":[\"self_attn.q_proj\"]}", 12 },
		{ "{\"target_modules\":[\"attn.q_proj\"]}", -1 },
		{ "{\"target_modules\":[\"proj\"]}", -1 },
		{ "{\"target_modules\":[\"model.layers.3.mlp.up_proj\"]}", 1 },
		{ "{\"target_modules\":[\"lm_head\"]}", 1 },
		{ "{\"target_modules\":[\"embed_tokens\"]}", 1 },
		{ "{\"kind\":\"dora\",\"target_modules\":"
		  "[\"embed_tokens\"]}", -1 },
		{ "{\"target_modules\":\".*\\\\.[qk]_proj\"}", 24 },
		{ "{\"target_modules\":\"q_proj\"}", -1 },
		{ "{\"target_modules\":\"(\"}", -1 },
		{ "{\"target_modules\":\"all-linear\","
		  "\"exclude_modules\":[\"down_proj\"]}", 72 },
		{ "{\"target_modules\":\"all-linear\","
		  "\"exclude_modules\":\".*mlp.*\"}", 48 },
		{ "{\"target_modules\":[\"q_proj\"],"
		  "\"layers_to_transform\":[1,10]}", 2 },
		{ "{\"target_modules\":[\"q_proj\"],"
		  "\"layers_to_transform\":1}", 1 },
		{ "{\"target_modules\":[\"q_proj\"],"
		  "\"modules_to_save\":[\"lm_head\",\"embed_tokens\"]}", 14 },
		{ "{\"modules_to_save\":[\"lm_head\"]}", 1 },
		{ "{\"target_modules\":[\"q_proj\"],"
		  "\"modules_to_save\":[\"score\"]}", -1 },
		{ "{\"target_modules\":[\"lm_head\",\"q_proj\"],"
		  "\"modules_to_save\":[\"lm_head\"]}", 13 },
		{ "{\"target_modules\":[]}", -1 },
		{ "{\"target_modules\":[7]}", -1 },
		{ "{\"target_modules\":[\"q_proj\"],\"r\":0}", -1 },
		{ "{\"target_modules\":[\"q_proj\"],\"r\":2.5}", -1 },
		{ "{\"target_modules\":[\"q_proj\"],"
		  "\"rank_pattern\":{\"q_proj\":0}}", -1 },
	};
	struct adapter_set set;

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		int n = made(&set, row[i].options);

		if (n != row[i].n)
			fail_msg("%s: %d adapters, want %d", row[i].options, n,
				 row[i].n);
		adapter_set_release(&set);
	}
}

static void the_first_pattern_wins(void **state)
{
	static const char options[] =
		"{\"r\":8,\"alpha\":16,\"target_modules\":\"all-linear\","
		"\"rank_pattern\":{\"layers.1.self_attn.q_proj\":2,"
		"\"q_proj\":4,\"^model.layers.0.mlp.*\":6,\".*\":3},"
		"\"alpha_pattern\":{\"[qv]_proj\":5}}";
	static const struct {
		const char *module;
		size_t rank;
		double alpha;
	} row[] = {
		{ "model.layers.1.self_attn.q_proj", 2, 5 },
		{ "model.layers.11.self_attn.q_proj", 4, 5 },
		{ "model.layers.0.mlp.up_proj", 6, 16 },
		{ "model.layers.1.mlp.up_proj", 3, 16 },
		{ "model.layers.1.self_attn.v_proj", 3, 5 },
	};
	struct adapter_set set;

	(void)state;
	assert_int_equal(made(&set, options), 84);
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct adapter *a = adapter_set_find(&set, row[i].module);

		assert_non_null(a);
		assert_int_equal(a->rank, row[i].rank);
		assert_true(a->alpha == row[i].alpha);
		assert_true(a->scale ==
			    (float)(row[i].alpha / (double)row[i].rank));
	}
	adapter_set_release(&set);
}

static void rslora_divides_by_the_root(void **state)
{
	struct adapter_set set;

	(void)state;
	made(&set, "{\"r\":4,\"alpha\":3,\"rslora\":true,"
		   "\"target_modules\":[\"q_proj\"]}");
	assert_true(set.at[0].scale == 1.5f);
	adapter_set_release(&set);
}

/* The names in s->config pick the same modules by the rule for lists. */
static void the_description_names_the_same_modules(void **state)
{
	static const struct {
		const char *options;
		size_t names;
	} row[] = {
		{ "{\"target_modules\":\"all-linear\"}", 7 },
		{ "{\"target_modules\":\".*[qk]_proj\"}", 2 },
		{ "{\"target_modules\":[\"q_proj\"],"
		  "\"layers_to_transform\":[1,10]}", 2 },
		{ "{\"target_modules\":\"all-linear\","
		  "\"exclude_modules\":[\"3.mlp.up_proj\"]}", 83 },
		{ "{\"target_modules\":\"all-linear\",\"r\":4,\"rank_pattern\":"
		  "{\"q_proj\":2,\".*\":3},\"alpha_pattern\":{\".*_proj\":9,"
		  "\"q_proj\":1}}", 7 },
	};
	struct adapter_set set, again;

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		char *text;

		assert_true(made(&set, row[i].options) > 0);
		assert_int_equal(json_array_size(json_object_get(
					 set.config, "target_modules")),
				 row[i].names);
		assert_int_equal(json_print(&text, set.config, 0), 0);
		assert_int_equal(made(&again, text), set.n);
		for (size_t k = 0; k < set.n; k++) {
			assert_string_equal(again.at[k].module,
					    set.at[k].module);
			assert_int_equal(again.at[k].rank, set.at[k].rank);
			assert_true(again.at[k].scale == set.at[k].scale);
		}
		free(text);
		adapter_set_release(&set);
		adapter_set_release(&again);
	}
}

static int take(void *to, const struct tensor *t)
{
	struct tensor copy;
	int err = tensor_init(&copy, t->name, t->role, t->dtype, t->rank,
			      t->shape);

	assert_int_equal(err, 0);
	assert_int_equal(tensor_alloc(&copy), 0);
	memcpy(copy.part[0].data, t->part[0].data, t->part[0].bytes);
	return tensor_set_take(to, &copy);
}

static void an_adapter_is_read_as_it_was_made(void **state)
{
	struct adapter_sites s = sites();
	struct adapter_set set, again = { 0 };
	struct tensor_set stored = { 0 };
	struct tensor stranger;

	(void)state;
	made(&set, "{\"r\":4,\"alpha\":3,\"target_modules\":[\"q_proj\"],"
		   "\"rank_pattern\":{\"layers.2.self_attn.q_proj\":2},"
		   "\"modules_to_save\":[\"lm_head\"]}");
	assert_int_equal(adapter_set_place(&set, 0), 0);
	for (size_t i = 0; i < set.params.size / sizeof(float); i++)
		((float *)set.params.base)[i] = (float)i;
	assert_int_equal(adapter_set_tensors(&set, 0, take, &stored), 0);
	assert_int_equal(adapter_set_read(&again, set.config, &stored, &s), 0);
	assert_int_equal(adapter_set_place(&again, 0), 0);
	assert_int_equal(adapter_set_load(&again, &stored), 0);
	assert_int_equal(again.n, 13);
	for (size_t i = 0; i < set.n; i++) {
		assert_string_equal(again.at[i].module, set.at[i].module);
		assert_int_equal(again.at[i].rank, set.at[i].rank);
		assert_true(again.at[i].scale == set.at[i].scale);
	}
	assert_memory_equal(set.params.base, again.params.base,
			    set.params.size);
	adapter_set_release(&again);

	assert_int_equal(tensor_init(&stranger, "model.x.lora_A", ROLE_ADAPTER,
				     DTYPE_F32, 2, (size_t[]){ 4, 16 }), 0);
	assert_int_equal(tensor_set_take(&stored, &stranger), 0);
	assert_int_equal(adapter_set_read(&again, set.config, &stored, &s),
			 E_DATA);
	assert_non_null(strstr(err_text(), "model.x.lora_A"));
	adapter_set_release(&again);
	adapter_set_release(&set);
	tensor_set_release(&stored);
	adapter_sites_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modules_are_matched_as_peft_does),
		cmocka_unit_test(the_first_pattern_wins),
		cmocka_unit_test(rslora_divides_by_the_root),
		cmocka_unit_test(the_description_names_the_same_modules),
		cmocka_unit_test(an_adapter_is_read_as_it_was_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
