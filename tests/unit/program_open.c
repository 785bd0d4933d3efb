/* What binds, and what is refused and how. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "golden.h"
#include "model.h"

/* ---- faults in the base ---- */

static void opens_or_says(struct tensor_set *s, const char *why)
{
	struct program *p;
	int err = program_open(&p, s, NULL);

	if (err != E_DATA || !strstr(err_text(), why))
		fail_msg("status %d, message \"%s\", want \"%s\"", err,
			 err ? err_text() : "", why);
	assert_null(p);
	tensor_set_release(s);
}

static void rename_tensor(struct tensor_set *s, const char *from,
			  const char *to)
{
	struct tensor_set out = { 0 };

	for (size_t i = 0; i < s->n; i++) {
		if (!strcmp(s->at[i].name, from)) {
			free(s->at[i].name);
			s->at[i].name = strdup(to);
		}
		assert_int_equal(tensor_set_take(&out, &s->at[i]), 0);
	}
	tensor_set_release(s);
	*s = out;
}

/* Sets a key of config.json; value NULL takes it away. */
static void set_key(struct tensor_set *s, const char *key, json_t *value)
{
	struct tensor_set out = { 0 };
	json_t *j = NULL;
	char *text;

	for (size_t i = 0; i < s->n; i++) {
		struct tensor *t = &s->at[i];

		if (strcmp(t->name, "file/config.json")) {
			assert_int_equal(tensor_set_take(&out, t), 0);
			continue;
		}
		assert_int_equal(json_parse(&j, t->part[0].data, t->count),
				 0);
	}
	assert_non_null(j);
	if (value)
		json_object_set_new(j, key, value);
	else
		json_object_del(j, key);
	assert_int_equal(json_print(&text, j, 0), 0);
	model_blob(&out, "file/config.json", text, strlen(text));
	free(text);
	json_decref(j);
	tensor_set_release(s);
	*s = out;
}

static void a_base_that_is_not_the_config_is_refused(void **state)
{
	struct tensor_set s = { 0 };
	size_t two = 2;
	struct tensor t = { 0 };

	(void)state;
	opens_or_says(&s, "no config.json");
	model_base(&s, "A/llama");
	rename_tensor(&s, "model.layers.1.mlp.up_proj.weight", "x");
	opens_or_says(&s, "no tensor model.layers.1.mlp.up_proj.weight");
	model_base(&s, "A/llama");
	set_key(&s, "intermediate_size", json_integer(97));
	opens_or_says(&s, "gate_proj.weight is 96x64, and config.json says "
			  "97x64");
	model_base(&s, "A/llama");
	set_key(&s, "num_hidden_layers", json_integer(3));
	opens_or_says(&s, "no tensor model.layers.2.");
	model_base(&s, "A/llama");
	set_key(&s, "num_hidden_layers", json_integer(1));
	opens_or_says(&s, "no step of family llama reads it");
	model_base(&s, "A/llama");
	set_key(&s, "num_hidden_layers", json_integer(1 << 30));
	opens_or_says(&s, "layers");
	model_base(&s, "A/llama");
	set_key(&s, "num_key_value_heads", json_integer(3));
	opens_or_says(&s, "k_proj.weight is 32x64");
	model_base(&s, "A/llama");
	set_key(&s, "rms_norm_eps", json_integer(0));
	opens_or_says(&s, "eps above 0");
	model_base(&s, "A/mistral");
	set_key(&s, "sliding_window", json_real(2.5));
	opens_or_says(&s, "a window of 2.5");
	model_base(&s, "A/gpt2");
	set_key(&s, "n_head", json_real(1e-300));
	opens_or_says(&s, "in heads of");
	model_base(&s, "A/llama");
	assert_int_equal(tensor_init(&t, "model.layers.0.self_attn.q_norm."
				     "weight", ROLE_NORM, DTYPE_F32, 1, &two),
			 0);
	assert_int_equal(tensor_set_take(&s, &t), 0);
	opens_or_says(&s, "q_norm.weight: no step");
}

static void set_rope(struct tensor_set *s, const char *text)
{
	json_t *j;

	assert_int_equal(json_parse(&j, text, strlen(text)), 0);
	set_key(s, "rope_parameters", j);
}

static void rope_that_cannot_be_is_refused(void **state)
{
	static const char *const row[][2] = {
		{ "{\"rope_type\": \"linear\", \"factor\": 1e-40}",
		  "angles that are no numbers" },
		{ "{\"rope_theta\": 1e-300}", "angles that are no numbers" },
		{ "{\"rope_type\": \"dynamic\", \"factor\": 2}",
		  "\"dynamic\" is not known" },
		{ "{\"rope_type\": 7}", "not a text" },
		{ "{\"rope_type\": \"linear\"}", "no factor" },
		{ "{\"rope_type\": \"yarn\"}", "no factor" },
		{ "{\"rope_type\": \"llama3\", \"factor\": 8}", "no low" },
		{ "{\"rope_theta\": 0}", "no theta" },
		{ "{\"rope_theta\": -5}", "no theta" },
		{ "{\"rope_type\": \"llama3\", \"factor\": 8,"
		  "\"low_freq_factor\": 4, \"high_freq_factor\": 4}",
		  "the same" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct tensor_set s = { 0 };

		model_base(&s, "A/llama");
		set_rope(&s, row[i][0]);
		opens_or_says(&s, row[i][1]);
	}
}

/* ---- a family from a file ---- */

static float *logits_of(struct tensor_set *s, const char *arch)
{
	static const uint32_t id[] = { 1, 200, 3, 77, 5, 9, 250, 0, 12 };
	enum { N = sizeof(id) / sizeof(id[0]) };
	static const uint32_t pos[N] = { 0, 1, 2, 3, 4, 5, 6, 7, 8 };
	size_t start[2] = { 0, N };
	uint64_t sample = 0;
	struct batch b = { N, 1, id, pos, start, &sample, NULL, 0 };
	struct program_pass pass = { .batch = &b };
	struct program_need need = { N, 1, N, 0, 0 };
	float *logits;
	struct program *p;

	if (program_open(&p, s, arch))
		fail_msg("%s", err_text());
	assert_int_equal(program_plan(p, NULL, &need), 0);
	logits = calloc(N * program_vocab(p), sizeof(*logits));
	program_logits(p, program_forward(p, &pass),
		       mat_of(logits, N, program_vocab(p)));
	logits[0] += (float)program_vocab(p); /* not all equal by being 0 */
	program_free(p);
	return logits;
}

/* The example of docs/families.md, word for word. */
static char *example(void)
{
	size_t size;
	char *text = (char *)golden_read("docs/families.md", &size), *end;

	if (!text)
		return NULL;
	text = memmove(text, strstr(text, "```\nfamily") + 4,
		       strlen(strstr(text, "```\nfamily") + 4) + 1);
	end = strstr(text, "```");
	assert_non_null(end);
	*end = 0;
	return text;
}

static void to_plain(char *to, const char *from)
{
	static const char *const row[][2] = {
		{ "embed_tokens", "wte" }, { "norm.weight", "norm_f.weight" },
	};
	static const char *const part[][2] = {
		{ "input_layernorm", "norm_1" },
		{ "post_attention_layernorm", "norm_2" },
		{ "self_attn.q_proj", "attn.q" },
		{ "self_attn.k_proj", "attn.k" },
		{ "self_attn.v_proj", "attn.v" },
		{ "self_attn.o_proj", "attn.o" },
		{ "mlp.gate_proj", "mlp.gate" },
		{ "mlp.up_proj", "mlp.up" },
		{ "mlp.down_proj", "mlp.down" },
	};
	int layer;
	char name[64];

	if (sscanf(from, "model.layers.%d.%63s", &layer, name) == 2) {
		for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++)
			if (!strncmp(name, part[i][0], strlen(part[i][0])))
				snprintf(to, TENSOR_NAME, "h.%d.%s%s", layer,
					 part[i][1],
					 name + strlen(part[i][0]));
		return;
	}
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		if (strstr(from, row[i][0]))
			snprintf(to, TENSOR_NAME, "%s%s", row[i][1],
				 i ? "" : ".weight");
}

static void the_documented_example_is_a_family(void **state)
{
	static const char config[] =
		"{\"architectures\": [\"PlainForCausalLM\"], \"n_layer\": 2,"
		"\"n_embd\": 64, \"n_head\": 4, \"vocab_size\": 256,"
		"\"n_inner\": 96, \"norm_eps\": 1e-5, \"activation\":"
		"\"silu\", \"rope_base\": 10000, \"use_bias\": true}";
	struct tensor_set llama = { 0 }, plain = { 0 };
	char *text = example();
	float *want, *got;

	(void)state;
	if (!text) {
		print_message("docs/families.md is not here\n");
		skip();
	}
	model_base(&llama, "A/llama3_tied");
	set_rope(&llama, "{\"rope_theta\": 10000}");
	want = logits_of(&llama, NULL);
	assert_int_equal(model_tensors(&plain, "A/llama3_tied/model/"
				       "model.safetensors", to_plain), 0);
	model_blob(&plain, "file/config.json", config, sizeof(config) - 1);
	got = logits_of(&plain, text);
	assert_memory_equal(got, want, 9 * 256 * sizeof(float));
	free(want);
	free(got);
	free(text);
	tensor_set_release(&llama);
	tensor_set_release(&plain);
}

static void steps_that_cannot_be_are_refused(void **state)
{
	static const char *const row[][3] = {
		{ "swiglu g u  -> m", "reglu  g u  -> m", "no such op: reglu" },
		{ "swiglu g u  -> m", "swiglu g    -> m", "number of inputs" },
		{ "swiglu g u  -> m", "swiglu g h  -> m", "columns" },
		{ "linear  a    -> a  o", "linear  z    -> a  o",
		  "nothing was written to: z" },
		{ "linear  m    -> d  down", "linear  g    -> d  down",
		  "nobody reads" },
		{ "head_dim scale", "eps scale", "attend" },
		{ "linear  x    -> y  head", "add x x -> x", "no head" },
		{ "linear  h    -> k  k", "linear  h    -> k  n1",
		  "wants a matrix" },
	};
	static const char config[] =
		"{\"n_layer\": 2, \"n_embd\": 64, \"n_head\": 4,"
		"\"vocab_size\": 256, \"n_inner\": 96}";

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct tensor_set s = { 0 };
		struct program *p;
		char *text = example(), *at, *bad;
		size_t before;

		if (!text)
			skip();
		model_tensors(&s, "A/llama3_tied/model/model.safetensors",
			      to_plain);
		model_blob(&s, "file/config.json", config, sizeof(config) - 1);
		at = strstr(text, row[i][0]);
		if (!at)
			fail_msg("the example has no \"%s\"", row[i][0]);
		before = (size_t)(at - text);
		bad = calloc(1, strlen(text) + 64);
		sprintf(bad, "%.*s%s%s", (int)before, text, row[i][1],
			at + strlen(row[i][0]));
		if (program_open(&p, &s, bad) != E_DATA ||
		    !strstr(err_text(), row[i][2]))
			fail_msg("%s: \"%s\", want \"%s\"", row[i][1],
				 err_text(), row[i][2]);
		free(bad);
		free(text);
		tensor_set_release(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_base_that_is_not_the_config_is_refused),
		cmocka_unit_test(rope_that_cannot_be_is_refused),
		cmocka_unit_test(the_documented_example_is_a_family),
		cmocka_unit_test(steps_that_cannot_be_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
