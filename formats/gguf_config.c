#include "formats/gguf_files.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/half.h"
#include "base/math.h"
#include "base/size.h"

enum { KEY = 128, ROPE_MOST = 4096 };

/* llama.cpp's name of an architecture, and transformers' two. */
static const struct arch {
	const char *name, *class, *model_type;
} arch[] = {
	{ "llama", "LlamaForCausalLM", "llama" },
	{ "qwen2", "Qwen2ForCausalLM", "qwen2" },
	{ "qwen3", "Qwen3ForCausalLM", "qwen3" },
};

enum kind { WHOLE, REAL };

static const struct {
	const char *gguf, *hf;
	enum kind kind;
	int needed;
} key[] = {
	/* clang-format off */
	{ "embedding_length", "hidden_size", WHOLE, 1 },
	{ "feed_forward_length", "intermediate_size", WHOLE, 1 },
	{ "block_count", "num_hidden_layers", WHOLE, 1 },
	{ "attention.head_count", "num_attention_heads", WHOLE, 1 },
	{ "attention.head_count_kv", "num_key_value_heads", WHOLE, 0 },
	{ "attention.key_length", "head_dim", WHOLE, 0 },
	{ "context_length", "max_position_embeddings", WHOLE, 0 },
	{ "attention.layer_norm_rms_epsilon", "rms_norm_eps", REAL, 1 },
	{ "rope.freq_base", "rope_theta", REAL, 0 },
	{ "attention.sliding_window", "sliding_window", WHOLE, 0 },
	/* clang-format on */
};

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

static const struct gguf_value *find(const struct gguf *g,
				     const struct arch *a, const char *name)
{
	char whole[KEY];

	snprintf(whole, sizeof(whole), "%s.%s", a->name, name);
	return gguf_find(g, whole);
}

/* A number under the architecture's key; none where it is absent. */
static int number(const struct gguf *g, const struct arch *a,
		  const char *name, double none, double *x)
{
	const struct gguf_value *v = find(g, a, name);

	*x = none;
	if (v && (gguf_number(v, x) || !isfinite(*x)))
		return err_set(E_DATA, "%s.%s: is no number", a->name, name);
	return 0;
}

/* An f32 shows as the shortest decimal number that gives it back. */
static json_t *real_of(double x)
{
	char text[32];

	for (int digits = 6; digits <= 9; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, x);
		if (strtof(text, NULL) == (float)x)
			break;
	}
	return json_real(strtof(text, NULL) == x ? strtod(text, NULL) : x);
}

static int put_keys(json_t *c, const struct gguf *g, const struct arch *a)
{
	for (size_t i = 0; i < NELEM(key); i++) {
		double x;

		if (!find(g, a, key[i].gguf)) {
			if (key[i].needed)
				return err_set(E_DATA, "%s.%s: is missing",
					       a->name, key[i].gguf);
			continue;
		}
		TRY(number(g, a, key[i].gguf, 0, &x));
		if (key[i].kind == REAL) {
			TRY(gguf_put(c, key[i].hf, real_of(x)));
			continue;
		}
		if (x < 0 || x > 0x1p53 || floor(x) < x)
			return err_set(E_DATA, "%s.%s: is no whole number",
				       a->name, key[i].gguf);
		TRY(gguf_put(c, key[i].hf, json_integer((json_int_t)x)));
	}
	return 0;
}

/* The divisor of frequency i of n that llama3's rule gives. */
static double llama3_divisor(size_t i, size_t n, double theta, double factor,
			     double original)
{
	const double low = 1, high = 4, turn = 6.283185307179586;
	double wave = turn * math_pow64(theta, (double)i / (double)n);
	double smooth;

	if (wave < original / high)
		return 1;
	if (wave > original / low)
		return factor;
	smooth = (original / wave - low) / (high - low);
	return 1 / ((1 - smooth) / factor + smooth);
}

/* Llama 3's scaling comes as a tensor of divisors, from which the rule's
 * numbers are found again; other divisors belong to a rule not known here. */
static int put_llama3(json_t *c, const struct gguf *g, const struct arch *a,
		      const struct gguf_tensor *t, const struct file *file)
{
	unsigned char raw[ROPE_MOST * 4];
	double theta, original, factor;
	size_t n = t->count;
	json_t *rope;

	if (t->block->dtype != DTYPE_F32 || n > ROPE_MOST)
		return err_set(E_DATA, "rope_freqs.weight: want at most %d "
			       "f32 values", ROPE_MOST);
	TRY(file_read(file, raw, n * 4, t->at));
	TRY(number(g, a, "rope.freq_base", 10000, &theta));
	TRY(number(g, a, "rope.scaling.original_context_length", 8192,
		   &original));
	if (!(theta > 1 && original >= 1 && original <= 0x1p53))
		return err_set(E_DATA, "%s.rope: numbers that make no sense",
			       a->name);
	factor = f32_from_bits(le32_get(raw + (n - 1) * 4));
	for (size_t i = 0; i < n; i++) {
		double x = f32_from_bits(le32_get(raw + i * 4));
		double want = llama3_divisor(i, n, theta, factor, original);

		if (!(fabs(x - want) <= 1e-3 * want))
			return err_set(E_DATA, "rope_freqs.weight: divisors "
				       "that are not Llama 3's");
	}
	rope = json_pack("{ss sf sf sf sI}", "rope_type", "llama3", "factor",
			 factor, "low_freq_factor", 1.0, "high_freq_factor",
			 4.0, "original_max_position_embeddings",
			 (json_int_t)original);
	return gguf_put(c, "rope_scaling", rope);
}

static int put_rope(json_t *c, const struct gguf *g, const struct arch *a,
		    const struct file *file)
{
	const struct gguf_tensor *t = gguf_find_tensor(g, "rope_freqs.weight");
	double factor, original;
	char name[KEY];
	json_t *type, *rope;
	int none, known;

	if (t)
		return put_llama3(c, g, a, t, file);
	TRY(number(g, a, "rope.scaling.factor", 1, &factor));
	TRY(number(g, a, "rope.scaling.original_context_length", 0,
		   &original));
	snprintf(name, sizeof(name), "%s.rope.scaling.type", a->name);
	type = gguf_json_text(g, name);
	none = !type || !strcmp(json_string_value(type), "none");
	known = none || !strcmp(json_string_value(type), "linear") ||
		!strcmp(json_string_value(type), "yarn");
	if (none || !known) {
		json_decref(type);
		return known ? gguf_put(c, "rope_scaling", json_null()) :
			       err_set(E_DATA, "%s: is of a kind that is not "
				       "known", name);
	}
	rope = json_pack("{so sf}", "rope_type", type, "factor", factor);
	if (rope && original >= 1 && original <= 0x1p53)
		json_object_set_new(rope, "original_max_position_embeddings",
				    json_integer((json_int_t)original));
	return gguf_put(c, "rope_scaling", rope);
}

/* What the file shows without saying it. */
static int put_shape(json_t *c, const struct gguf *g)
{
	const struct gguf_tensor *t = gguf_find_tensor(g, "token_embd.weight");
	json_int_t hidden = json_integer_value(
		json_object_get(c, "hidden_size"));
	json_int_t heads = json_integer_value(
		json_object_get(c, "num_attention_heads"));

	if (!t || t->rank != 2)
		return err_set(E_DATA, "token_embd.weight: is missing");
	if (!json_object_get(c, "head_dim") && heads > 0 && !(hidden % heads))
		TRY(gguf_put(c, "head_dim", json_integer(hidden / heads)));
	TRY(gguf_put(c, "vocab_size", json_integer((json_int_t)t->dim[1])));
	TRY(gguf_put(c, "attention_bias", json_boolean(
		!!gguf_find_tensor(g, "blk.0.attn_q.bias"))));
	return gguf_put(c, "tie_word_embeddings", json_boolean(
		!gguf_find_tensor(g, "output.weight")));
}

static const struct arch *find_arch(const struct gguf *g)
{
	json_t *name = gguf_json_text(g, "general.architecture");
	const struct arch *a = NULL;

	for (size_t i = 0; name && i < NELEM(arch); i++)
		if (!strcmp(json_string_value(name), arch[i].name))
			a = &arch[i];
	if (!a)
		err_set(E_DATA, "general.architecture: %.40s is not known",
			name ? json_string_value(name) : "(none)");
	json_decref(name);
	return a;
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

static int fill(json_t *c, const struct gguf *g, const struct arch *a,
		const struct file *file)
{
	TRY(gguf_put(c, "architectures", json_pack("[s]", a->class)));
	TRY(gguf_put(c, "model_type", json_string(a->model_type)));
	TRY(put_keys(c, g, a));
	TRY(put_shape(c, g));
	TRY(put_rope(c, g, a, file));
	TRY(put_tokens(c, g));
	TRY(gguf_put(c, "hidden_act", json_string("silu")));
	/* A window in a llama file is Mistral's. */
	if (json_object_get(c, "sliding_window") && a == arch) {
		TRY(gguf_put(c, "architectures",
			     json_pack("[s]", "MistralForCausalLM")));
		TRY(gguf_put(c, "model_type", json_string("mistral")));
	}
	return gguf_put(c, "torch_dtype", json_string(torch_dtype(g)));
}

int gguf_config(json_t **config, const struct gguf *g,
		const struct file *file)
{
	const struct arch *a = find_arch(g);
	int err;

	if (!a)
		return E_DATA;
	*config = json_object();
	if (!*config)
		return err_set(E_NOMEM, "out of memory");
	err = fill(*config, g, a, file);
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
