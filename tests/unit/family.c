/* Families as text: what is read, and what is refused and how. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/family.h"

static json_t *json_of(const char *text)
{
	json_t *j;

	if (json_parse(&j, text, strlen(text)))
		fail_msg("%s", err_text());
	return j;
}

/* A config with more keys: LLAMA(", \"x\": 1"). */
#define LLAMA(more)                                                         \
	"{\"architectures\": [\"LlamaForCausalLM\"], \"hidden_size\": 64,"  \
	"\"model_type\": \"llama\", \"num_hidden_layers\": 2,"              \
	"\"num_attention_heads\": 4, \"intermediate_size\": 96,"            \
	"\"vocab_size\": 256, \"rms_norm_eps\": 1e-5,"                      \
	"\"max_position_embeddings\": 128" more "}"

/* A config of so many layers. */
#define LAYERS(n)                                                           \
	"{\"model_type\": \"llama\", \"hidden_size\": 64, \"vocab_size\": 9," \
	"\"num_attention_heads\": 4, \"intermediate_size\": 96,"            \
	"\"rms_norm_eps\": 1e-5, \"num_hidden_layers\": " n "}"

static struct family_config *configured(const char *text)
{
	json_t *j = json_of(text);
	const struct family *f;
	struct family_config *c = NULL;

	if (family_find(&f, j) || family_configure(&c, f, j))
		fail_msg("%s: %s", text, err_text());
	json_decref(j);
	return c;
}

static double number(const struct family_config *c, const char *name)
{
	double x;

	if (family_real(&x, c, name))
		fail_msg("%s", err_text());
	return x;
}

static void refused(const char *text, const char *why)
{
	json_t *j = json_of(text);
	const struct family *f;
	struct family_config *c;
	int err = family_find(&f, j);

	if (!err)
		err = family_configure(&c, f, j);
	if (err != E_DATA || !strstr(err_text(), why))
		fail_msg("%s: status %d, message \"%s\", want \"%s\"", text,
			 err, err ? err_text() : "", why);
	json_decref(j);
}

static void every_built_in_family_parses(void **state)
{
	(void)state;
	assert_true(family_nbuiltin >= 3);
	for (size_t i = 0; i < family_nbuiltin; i++) {
		const struct family_text *t = &family_builtin[i];
		struct family *f;

		if (family_parse(&f, t->text, strlen(t->text), t->name))
			fail_msg("%s", err_text());
		assert_string_equal(family_name(f), t->name);
		assert_non_null(family_at(i));
		family_free(f);
	}
	assert_null(family_at(family_nbuiltin));
}

static void numbers_come_from_either_spelling(void **state)
{
	static const char *const same[] = {
		LLAMA(", \"rope_theta\": 5e5"),
		LLAMA(", \"rope_parameters\": {\"rope_theta\": 5e5,"
		      "\"rope_type\": \"default\"}"),
		LLAMA(", \"rope_theta\": 5e5, \"rope_scaling\": null"),
		LLAMA(", \"rope_theta\": 5e5, \"head_dim\": 16,"
		      "\"torch_dtype\": \"bfloat16\""),
		LLAMA(", \"rope_theta\": 5e5, \"head_dim\": null,"
		      "\"dtype\": \"float32\""),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		struct family_config *c = configured(same[i]);
		size_t n;

		assert_true(number(c, "rope.theta") == 5e5);
		assert_true(family_member(c, "rope", "theta", 0) == 5e5);
		assert_true(family_member(c, "rope", "low", 7) == 7);
		assert_true(number(c, "head_dim") == 16);
		assert_true(number(c, "kv_heads") == 4);
		assert_true(number(c, "scale") == 0.25);
		assert_string_equal(family_text(c, "rope.type"), "default");
		assert_false(family_has(c, "window"));
		assert_int_equal(family_size(&n, c, "heads*head_dim"), 0);
		assert_int_equal(n, 64);
		family_config_free(c);
	}
}

static void scalings_come_from_either_spelling(void **state)
{
	static const char *const same[] = {
		LLAMA(", \"rope_scaling\": {\"type\": \"linear\","
		      "\"factor\": 2.0}"),
		LLAMA(", \"rope_scaling\": {\"rope_type\": \"linear\","
		      "\"factor\": 2}"),
		LLAMA(", \"rope_scaling\": {\"rope_type\": \"linear\","
		      "\"type\": \"linear\", \"factor\": 2}"),
		LLAMA(", \"rope_parameters\": {\"rope_type\": \"linear\","
		      "\"factor\": 2, \"rope_theta\": 10000}"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		struct family_config *c = configured(same[i]);

		assert_string_equal(family_text(c, "rope.type"), "linear");
		assert_true(number(c, "rope.factor") == 2);
		assert_true(number(c, "rope.theta") == 10000);
		family_config_free(c);
	}
}

static void harmless_keys_are_let_through(void **state)
{
	(void)state;
	family_config_free(configured(LLAMA(
		", \"bos_token_id\": 1, \"eos_token_id\": [2, 3],"
		"\"attention_dropout\": 0.1, \"attention_bias\": true,"
		"\"mlp_bias\": false, \"hidden_act\": \"silu\","
		"\"initializer_range\": 0.02, \"pretraining_tp\": 1,"
		"\"rope_interleaved\": false, \"use_cache\": true,"
		"\"is_llama_config\": true, \"_name_or_path\": \"x\","
		"\"tie_word_embeddings\": true,"
		"\"transformers.js_config\": {\"kv_cache_dtype\": {}},"
		"\"quantization_config\": {\"bits\": 4},"
		"\"final_logit_softcapping\": null,"
		"\"residual_multiplier\": 1.0, \"no_rope_layers\": [],"
		"\"layer_types\": [\"full_attention\"],"
		"\"unsloth_version\": \"2024.9\"")));
}

static void keys_that_change_the_mathematics_are_refused(void **state)
{
	static const char *const row[][2] = {
		{ LLAMA(", \"final_logit_softcapping\": 30.0"),
		  "final_logit_softcapping" },
		{ LLAMA(", \"attn_logit_softcapping\": 50"),
		  "attn_logit_softcapping" },
		{ LLAMA(", \"residual_multiplier\": 0.22"),
		  "residual_multiplier" },
		{ LLAMA(", \"logits_scaling\": 8"), "logits_scaling" },
		{ LLAMA(", \"partial_rotary_factor\": 0.5"),
		  "partial_rotary_factor" },
		{ LLAMA(", \"no_rope_layers\": [1, 0]"), "no_rope_layers" },
		{ LLAMA(", \"num_local_experts\": 8"), "num_local_experts" },
		{ LLAMA(", \"clip_qkv\": 8.0"), "clip_qkv" },
		{ LLAMA(", \"use_qk_norm\": true"), "use_qk_norm" },
		{ LLAMA(", \"hidden_act\": \"gelu\""), "hidden_act" },
		{ LLAMA(", \"rope_interleaved\": true"), "rope_interleaved" },
		{ LLAMA(", \"layer_types\": [\"full_attention\","
			"\"sliding_attention\"]"), "sliding_attention" },
		{ LLAMA(", \"rope_scaling\": {\"rope_type\": \"yarn\","
			"\"factor\": 2, \"new_trick\": 3}"), "new_trick" },
		{ LLAMA(", \"rope_parameters\": {\"full_attention\":"
			"{\"rope_theta\": 1e6}}"), "full_attention" },
		{ LLAMA(", \"rope_scaling\": 2"), "rope_scaling" },
		{ LLAMA(", \"text_config\": {}, \"vision_config\":"
			"{\"x\": 1}"), "vision_config" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		refused(row[i][0], row[i][1]);
}

static void what_is_missing_or_unfit_is_named(void **state)
{
	static const char *const row[][2] = {
		{ "{}", "neither architectures nor" },
		{ "{\"model_type\": \"llama\"}", "num_hidden_layers" },
		{ "{\"architectures\": [\"LlamaForCausalLM\"]}",
		  "num_hidden_layers" },
		{ "{\"architectures\": [\"MixtralForCausalLM\"]}",
		  "mixture of experts" },
		{ "{\"architectures\": [\"Qwen3MoeForCausalLM\"]}",
		  "mixture of experts" },
		{ "{\"architectures\": [\"MambaForCausalLM\"]}",
		  "state space" },
		{ "{\"architectures\": [\"T5ForConditionalGeneration\"]}",
		  "encoder" },
		{ "{\"architectures\": [\"LlamaForSequenceClassification\"],"
		  "\"model_type\": \"llama\"}", "classifier" },
		{ "{\"architectures\": [\"NovelForCausalLM\"],"
		  "\"model_type\": \"llama\"}", "NovelForCausalLM" },
		{ LLAMA(", \"head_dim\": {\"a\": 1}"), "head_dim" },
		{ LLAMA(", \"head_dim\": \"16\""), "head_dim" },
		{ LLAMA(", \"head_dim\": -16"), "head_dim" },
		{ LAYERS("\"2\""), "layers is not a number" },
		{ LAYERS("2.5"), "layers is 2.5" },
		{ LAYERS("0"), "layers is 0" },
		{ LAYERS("-1"), "layers is -1" },
		{ LAYERS("1e9"), "1000000000 layers" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		refused(row[i][0], row[i][1]);
}

/* What a program of steps cannot say, by the names that checkpoints have. */
static void what_cannot_be_said_is_named(void **state)
{
	static const char *const row[][2] = {
		{ "MixtralForCausalLM", "experts" },
		{ "DeepseekV3ForCausalLM", "experts" },
		{ "OlmoeForCausalLM", "experts" },
		{ "PhiMoEForCausalLM", "experts" },
		{ "GptOssForCausalLM", "experts" },
		{ "DbrxForCausalLM", "experts" },
		{ "GraniteMoeForCausalLM", "experts" },
		{ "Llama4ForCausalLM", "experts" },
		{ "FalconMambaForCausalLM", "state space" },
		{ "JambaForCausalLM", "state space" },
		{ "NemotronHForCausalLM", "state space" },
		{ "RwkvForCausalLM", "recurrent" },
		{ "RecurrentGemmaForCausalLM", "recurrent" },
		{ "Qwen3NextForCausalLM", "recurrent" },
		{ "MT5ForConditionalGeneration", "encoder with a decoder" },
		{ "MBartForConditionalGeneration", "encoder with a decoder" },
		{ "WhisperForConditionalGeneration",
		  "encoder with a decoder" },
		{ "MarianMTModel2", "encoder with a decoder" },
		{ "ModernBertForMaskedLM", "encoder" },
		{ "RobertaForCausalLM", "encoder" },
		{ "Qwen2VLForConditionalGeneration", "more than text" },
		{ "Gemma3ForConditionalGeneration", "more than text" },
		{ "LlavaForCausalLM", "vision" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		char config[256];

		snprintf(config, sizeof(config), "{\"architectures\": "
			 "[\"%s\"], \"hidden_size\": 64}", row[i][0]);
		refused(config, row[i][1]);
		refused(config, row[i][0]);
	}
}

static void a_size_is_a_whole_number(void **state)
{
	struct family_config *c = configured(LLAMA(", \"head_dim\": 0.5"));
	size_t n;

	(void)state;
	assert_int_equal(family_size(&n, c, "head_dim"), E_DATA);
	assert_int_equal(family_size(&n, c, "hidden"), 0);
	assert_int_equal(n, 64);
	assert_int_equal(family_size(&n, c, "vocab*vocab*vocab*vocab"),
			 E_DATA);
	assert_int_equal(family_size(&n, c, "nothing"), E_DATA);
	family_config_free(c);
}

static void names_are_matched_both_ways(void **state)
{
	static const struct {
		int gguf;
		const char *name, *ours, *suffix;
		size_t layer;
	} row[] = {
		{ 0, "model.layers.12.self_attn.q_proj.weight", "q", "weight",
		  12 },
		{ 0, "layers.0.self_attn.q_proj.bias", "q", "bias", 0 },
		{ 0, "model.layers.3.mlp.down_proj", "down", "weight", 3 },
		{ 0, "model.embed_tokens.weight", "embed", "weight",
		  SIZE_MAX },
		{ 0, "lm_head.weight", "head", "weight", SIZE_MAX },
		{ 0, "model.norm.weight", "norm", "weight", SIZE_MAX },
		{ 0, "model.layers.01.mlp.down_proj.weight", NULL, "", 0 },
		{ 0, "model.layers.x.mlp.down_proj.weight", NULL, "", 0 },
		{ 0, "model.layers.99999999.mlp.down_proj.weight", NULL, "",
		  0 },
		{ 0, "model.layers.1.self_attn.rotary_emb.inv_freq", NULL,
		  "", 0 },
		{ 0, "model.layers.1.mlp.down_proj.weight.absmax", NULL, "",
		  0 },
		{ 1, "blk.7.ffn_gate.weight", "gate", "weight", 7 },
		{ 1, "token_embd.weight", "embed", "weight", SIZE_MAX },
		{ 1, "rope_freqs.weight", NULL, "", 0 },
	};
	const struct family *f = family_find_gguf("llama");

	(void)state;
	assert_non_null(f);
	assert_null(family_find_gguf("clip"));
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		size_t layer;
		const char *suffix;
		const struct family_tensor *t = row[i].gguf
			? family_match_gguf(f, row[i].name, &layer, &suffix)
			: family_match_hf(f, row[i].name, &layer, &suffix);

		if (!row[i].ours) {
			assert_null(t);
			continue;
		}
		if (!t)
			fail_msg("%s is not matched", row[i].name);
		assert_string_equal(t->name, row[i].ours);
		assert_string_equal(suffix, row[i].suffix);
		assert_int_equal(layer, row[i].layer);
	}
}

static void names_are_made(void **state)
{
	const struct family *f = family_find_gguf("llama");
	const struct family_tensor *t;
	size_t n;
	char buf[FAMILY_PATH];

	(void)state;
	t = family_tensors(f, &n);
	for (size_t i = 0; i < n; i++) {
		size_t layer;
		const char *suffix;

		family_hf_name(buf, sizeof(buf), &t[i], 5);
		assert_ptr_equal(family_match_hf(f, buf, &layer, &suffix),
				 &t[i]);
		family_gguf_name(buf, sizeof(buf), &t[i], 5);
		assert_ptr_equal(family_match_gguf(f, buf, &layer, &suffix),
				 &t[i]);
	}
}

static void turned_weights_are_known_by_name(void **state)
{
	(void)state;
	assert_true(family_turns("transformer.h.11.mlp.c_fc.weight"));
	assert_true(family_turns("transformer.h.0.attn.c_proj.weight"));
	assert_true(family_turns("h.3.attn.c_attn.weight"));
	assert_false(family_turns("transformer.h.0.mlp.c_fc.bias"));
	assert_false(family_turns("transformer.h.0.mlp.c_fc.lora_A"));
	assert_false(family_turns("transformer.h.0.mlp.dense_h_to_4h.weight"));
	assert_false(family_turns("transformer.wte.weight"));
	assert_false(family_turns("lm_head.weight"));
	assert_false(family_turns("model.layers.0.mlp.c_fc.weight"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_built_in_family_parses),
		cmocka_unit_test(numbers_come_from_either_spelling),
		cmocka_unit_test(scalings_come_from_either_spelling),
		cmocka_unit_test(harmless_keys_are_let_through),
		cmocka_unit_test(keys_that_change_the_mathematics_are_refused),
		cmocka_unit_test(what_is_missing_or_unfit_is_named),
		cmocka_unit_test(what_cannot_be_said_is_named),
		cmocka_unit_test(a_size_is_a_whole_number),
		cmocka_unit_test(names_are_matched_both_ways),
		cmocka_unit_test(names_are_made),
		cmocka_unit_test(turned_weights_are_known_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
