#include "formats/gguf_files.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"

enum { KEY = FAMILY_PATH + FAMILY_NAME };

json_t *gguf_json_text(const struct gguf *g, const char *name)
{
	const struct gguf_value *v = gguf_find(g, name);

	return v && v->type == GGUF_TEXT ?
	       json_stringn((const char *)v->at, v->count) : NULL;
}

int64_t gguf_whole(const struct gguf *g, const char *name, int64_t none)
{
	const struct gguf_value *v = gguf_find(g, name);
	double x;

	if (!v || gguf_number(v, &x) || !(x >= 0 && x <= 0x1p53) ||
	    floor(x) < x)
		return none;
	return (int64_t)x;
}

int gguf_put(json_t *object, const char *name, json_t *value)
{
	if (!value || json_object_set_new(object, name, value))
		return err_set(E_NOMEM, "out of memory");
	return 0;
}

const struct gguf_value *gguf_find_of(const struct gguf *g,
				      const struct family *f,
				      const char *name)
{
	char whole[KEY];

	snprintf(whole, sizeof(whole), "%s.%s", family_gguf(f), name);
	return gguf_find(g, whole);
}

int gguf_number_of(const struct gguf *g, const struct family *f,
		   const char *name, double none, double *x)
{
	const struct gguf_value *v = gguf_find_of(g, f, name);

	*x = none;
	if (v && (gguf_number(v, x) || !isfinite(*x)))
		return err_set(E_DATA, "%s.%s: is no number", family_gguf(f),
			       name);
	return 0;
}

/* The shortest decimal number that gives the f32 back. */
json_t *gguf_real(double x)
{
	char text[32];

	for (int digits = 6; digits <= 9; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, x);
		if (strtof(text, NULL) == (float)x)
			break;
	}
	return json_real(strtof(text, NULL) == x ? strtod(text, NULL) : x);
}

static int put_key(json_t *c, const struct gguf *g, const struct family *f,
		   const struct family_key *k)
{
	double x;

	TRY(gguf_number_of(g, f, k->key, 0, &x));
	if (k->type == FAMILY_F32)
		return gguf_put(c, k->config, gguf_real(x));
	if (k->type == FAMILY_BOOL)
		return gguf_put(c, k->config, json_boolean(x > 0));
	if (x < 0 || x > 0x1p53 || floor(x) < x)
		return err_set(E_DATA, "%s.%s: is no whole number",
			       family_gguf(f), k->key);
	return gguf_put(c, k->config, json_integer((json_int_t)x));
}

static int put_keys(json_t *c, const struct gguf *g, const struct family *f)
{
	static const char *const needed[] = {
		"block_count", "embedding_length", "feed_forward_length",
		"attention.head_count", "attention.layer_norm_epsilon",
		"attention.layer_norm_rms_epsilon",
	};
	const struct family_key *k;
	size_t n;

	k = family_metadata(f, &n);
	for (size_t i = 0; i < n; i++) {
		int there = gguf_find_of(g, f, k[i].key) != NULL;

		for (size_t m = 0; m < NELEM(needed) && !there; m++)
			if (!strcmp(k[i].key, needed[m]))
				return err_set(E_DATA, "%s.%s: is missing",
					       family_gguf(f), needed[m]);
		if (there && *k[i].config)
			TRY(put_key(c, g, f, &k[i]));
	}
	return 0;
}

/* Is a bias there? config.json has a key for it, of one name or another. */
static int put_biases(json_t *c, const struct gguf *g, const struct family *f)
{
	static const char *const key[] = { "attention_bias", "use_qkv_bias",
					   "use_bias", "bias" };
	int q = gguf_find_tensor(g, "blk.0.attn_q.bias") ||
		gguf_find_tensor(g, "blk.0.attn_qkv.bias");

	for (size_t i = 0; i < NELEM(key); i++)
		if (family_ignores(f, key[i]))
			TRY(gguf_put(c, key[i], json_boolean(q)));
	return 0;
}

static json_int_t whole_of(json_t *c, const struct family *f, const char *name)
{
	char key[FAMILY_PATH];

	family_config_key(f, name, key, sizeof(key));
	return json_integer_value(json_object_get(c, key));
}

/* What the file shows without saying it. */
static int put_shape(json_t *c, const struct gguf *g, const struct family *f,
		     const struct file *file)
{
	const struct gguf_tensor *t = gguf_find_tensor(g, "token_embd.weight");
	json_int_t hidden = whole_of(c, f, "hidden");
	json_int_t heads = whole_of(c, f, "heads"), dim;
	char key[FAMILY_PATH];
	double turned;

	if (!t || t->rank != 2)
		return err_set(E_DATA, "token_embd.weight: is missing");
	dim = heads > 0 && !(hidden % heads) ? hidden / heads : 0;
	family_config_key(f, "head_dim", key, sizeof(key));
	if (*key && !json_object_get(c, key) && dim)
		TRY(gguf_put(c, key, json_integer(dim)));
	dim = *key ? json_integer_value(json_object_get(c, key)) : dim;
	family_config_key(f, "turned", key, sizeof(key));
	TRY(gguf_number_of(g, f, "rope.dimension_count", (double)dim,
			   &turned));
	if (*key && dim > 0)
		TRY(gguf_put(c, key, json_real(turned / (double)dim)));
	TRY(gguf_put(c, "vocab_size", json_integer((json_int_t)t->dim[1])));
	TRY(put_biases(c, g, f));
	return gguf_put(c, "tie_word_embeddings",
			json_boolean(gguf_is_tied(g, f, file)));
}

/* ---- what llama.cpp knows by the architecture's name ---- */

/* Which layers slide, where the file says it of each. */
static int put_pattern(json_t *c, const struct gguf *g, const struct family *f)
{
	const struct gguf_value *v =
		gguf_find_of(g, f, "attention.sliding_window_pattern");
	json_t *list;
	double n;

	if (v && !gguf_number(v, &n) && n >= 1 && n <= FAMILY_LAYERS)
		return gguf_put(c, "sliding_window_pattern",
				json_integer((json_int_t)n));
	if (!v || v->type != GGUF_ARRAY || v->element == GGUF_TEXT ||
	    v->count > FAMILY_LAYERS)
		return 0;
	list = json_array();
	for (size_t i = 0; i < v->count; i++)
		if (json_array_append_new(list, json_string(
			    gguf_element(v, i) > 0 ? "sliding_attention" :
						     "full_attention")))
			break;
	return gguf_put(c, "layer_types", list);
}

/* The scores' scale is a head's size, or of the largest model the share of the
 * embedding. */
static int put_gemma(json_t *c, const struct gguf *g, const struct family *f,
		     json_int_t largest)
{
	json_int_t layers = whole_of(c, f, "layers");
	json_int_t hidden = whole_of(c, f, "hidden");
	json_int_t heads = whole_of(c, f, "heads");

	TRY(put_pattern(c, g, f));
	return gguf_put(c, "query_pre_attn_scalar", json_integer(
		layers == largest && heads > 0 ? hidden / heads :
		whole_of(c, f, "head_dim")));
}

static int put_gemma2(json_t *c, const struct gguf *g, const struct family *f)
{
	return put_gemma(c, g, f, 46);
}

static int put_gemma3(json_t *c, const struct gguf *g, const struct family *f)
{
	return put_gemma(c, g, f, 62);
}

/* One key for all is the old decoder's; groups are the new one's. */
static int put_falcon(json_t *c, const struct gguf *g, const struct family *f)
{
	int two = gguf_find_tensor(g, "blk.0.attn_norm_2.weight") != NULL;
	double keys;

	TRY(gguf_number_of(g, f, "attention.head_count_kv",
			   (double)whole_of(c, f, "heads"), &keys));
	TRY(gguf_put(c, "new_decoder_architecture",
		     json_boolean(two || keys > 1)));
	TRY(gguf_put(c, "multi_query", json_boolean(keys < 2)));
	TRY(gguf_put(c, "parallel_attn", json_true()));
	TRY(gguf_put(c, "alibi", json_false()));
	return gguf_put(c, "num_ln_in_parallel_attn",
			json_integer(two ? 2 : 1));
}

/* A window in a llama file is Mistral's. */
static int put_llama(json_t *c, const struct gguf *g, const struct family *f)
{
	(void)g;
	(void)f;
	if (!json_object_get(c, "sliding_window"))
		return 0;
	TRY(gguf_put(c, "architectures",
		     json_pack("[s]", "MistralForCausalLM")));
	return gguf_put(c, "model_type", json_string("mistral"));
}

static const struct {
	const char *name;
	int (*put)(json_t *c, const struct gguf *g, const struct family *f);
} own[] = {
	{ "llama", put_llama }, { "falcon", put_falcon },
	{ "gemma2", put_gemma2 }, { "gemma3", put_gemma3 },
};

static int put_own(json_t *c, const struct gguf *g, const struct family *f)
{
	char act[FAMILY_NAME];

	family_required(f, "hidden_act", act, sizeof(act));
	if (!strcmp(act, "silu"))
		TRY(gguf_put(c, "hidden_act", json_string(act)));
	for (size_t i = 0; i < NELEM(own); i++)
		if (!strcmp(own[i].name, family_gguf(f)))
			return own[i].put(c, g, f);
	return 0;
}

int gguf_family(const struct family **f, const struct gguf *g)
{
	json_t *name = gguf_json_text(g, "general.architecture");

	*f = name ? family_find_gguf(json_string_value(name)) : NULL;
	if (!name)
		err_set(E_DATA, "general.architecture: is missing");
	else if (!*f)
		family_unknown("general.architecture:",
			       json_string_value(name));
	json_decref(name);
	return *f ? 0 : E_DATA;
}

static int put_tokens(json_t *c, const struct gguf *g)
{
	static const struct {
		const char *gguf, *hf;
	} token[] = {
		{ "tokenizer.ggml.bos_token_id", "bos_token_id" },
		{ "tokenizer.ggml.eos_token_id", "eos_token_id" },
		{ "tokenizer.ggml.padding_token_id", "pad_token_id" },
	};

	for (size_t i = 0; i < NELEM(token); i++) {
		int64_t id = gguf_whole(g, token[i].gguf, -1);

		if (id >= 0)
			TRY(gguf_put(c, token[i].hf, json_integer(id)));
	}
	return 0;
}

/* Of most weights: blocks are stored as bf16. */
static const char *torch_dtype(const struct gguf *g)
{
	const struct gguf_tensor *t =
		gguf_find_tensor(g, "blk.0.ffn_up.weight");

	return !t || t->block->dtype == DTYPE_NONE ? "bfloat16" :
	       t->block->dtype == DTYPE_F32 ? "float32" :
	       t->block->dtype == DTYPE_F16 ? "float16" : "bfloat16";
}

static int fill(json_t *c, const struct gguf *g, const struct family *f,
		const struct file *file)
{
	TRY(gguf_put(c, "architectures",
		     json_pack("[s]", family_architecture(f))));
	TRY(gguf_put(c, "model_type", json_string(family_model_type(f))));
	TRY(gguf_check_keys(g, f));
	TRY(put_keys(c, g, f));
	TRY(put_shape(c, g, f, file));
	TRY(gguf_config_rope(c, g, f, file));
	TRY(put_tokens(c, g));
	TRY(put_own(c, g, f));
	return gguf_put(c, "torch_dtype", json_string(torch_dtype(g)));
}

int gguf_config(json_t **config, const struct gguf *g,
		const struct file *file)
{
	const struct family *f;
	int err;

	TRY(gguf_family(&f, g));
	*config = json_object();
	if (!*config)
		return err_set(E_NOMEM, "out of memory");
	err = fill(*config, g, f, file);
	if (err)
		json_decref(*config);
	return err;
}

int gguf_generation(json_t **config, const struct gguf *g)
{
	static const char *const end[] = {
		"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
		"tokenizer.ggml.eom_token_id",
	};
	json_t *ids = json_array(), *c = json_object();
	int err = c && ids ? put_tokens(c, g) :
		  err_set(E_NOMEM, "out of memory");

	for (size_t i = 0; i < NELEM(end) && !err; i++) {
		int64_t id = gguf_whole(g, end[i], -1);
		int seen = id < 0;

		for (size_t k = 0; k < json_array_size(ids); k++)
			seen |= json_integer_value(json_array_get(ids, k)) ==
				id;
		if (!seen && json_array_append_new(ids, json_integer(id)))
			err = err_set(E_NOMEM, "out of memory");
	}
	if (!err && json_array_size(ids) > 1)
		err = gguf_put(c, "eos_token_id", json_incref(ids));
	json_decref(ids);
	if (err)
		json_decref(c);
	else
		*config = c;
	return err;
}
