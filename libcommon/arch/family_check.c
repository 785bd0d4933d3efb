/*
 * Is there a key in config.json that the family does not name, and that would
 * change what the model computes? Nobody knows all keys of all models: so a
 * name with one of these words in it counts as such, unless it is known to be
 * harmless or its value says "off".
 */
#include "arch/family_text.h"
#include "base/size.h"

#include <stdio.h>
#include <string.h>

static const char *const telling[] = {
	"act", "alibi", "altup", "attention", "attn", "bias", "cap", "clip",
	"conv", "delta", "embd_scale", "encoder", "expert", "gate", "head",
	"hidden", "inner", "intermediate", "latent", "layer", "loop", "lora",
	"mask", "mlp", "moe", "mtp", "multiplier", "nextn", "norm", "position",
	"prefix", "qk", "query", "residual", "rope", "rotary", "router",
	"scal", "sliding", "softcap", "sparse", "ssm", "temperature", "theta",
	"vision", "window",
};

/* "*" stands for anything. */
static const char *const harmless[] = {
	"*dropout*", "*pdrop", "*_token_id*", "_*", "*attn_implementation*",
	"architectures", "auto_map", "cache_implementation",
	"chunk_size_feed_forward", "cross_attention_hidden_size",
	"dtype", "eos_token_id", "hidden_size", "id2label",
	"initializer_*", "is_llama_config", "label2id",
	"max_position_embeddings", "model_type", "num_hidden_layers",
	"output_*", "pretraining_tp", "quantization_config",
	"task_specific_params", "tie_word_embeddings", "tokenizer_class",
	"torch_dtype", "transformers*", "unsloth*", "use_cache",
	"vocab_size",
};

static int matches(const char *pattern, const char *name)
{
	for (; *pattern && *pattern != '*'; pattern++, name++)
		if (*pattern != *name)
			return 0;
	if (!*pattern)
		return !*name;
	for (;; name++) {
		if (matches(pattern + 1, name))
			return 1;
		if (!*name)
			return 0;
	}
}

static int is_harmless(const char *key)
{
	for (size_t i = 0; i < NELEM(harmless); i++)
		if (matches(harmless[i], key))
			return 1;
	return 0;
}

int family_key_tells(const char *key)
{
	for (size_t i = 0; i < NELEM(telling); i++)
		if (strstr(key, telling[i]))
			return 1;
	return 0;
}

/* Says the value that nothing is done? A factor of 1 does nothing. */
static int is_off(const char *key, json_t *v)
{
	if (json_is_null(v) || json_is_false(v))
		return 1;
	if (json_is_array(v) || json_is_object(v))
		return !(json_is_array(v) ? json_array_size(v)
					  : json_object_size(v));
	if (json_is_string(v))
		return !json_string_length(v);
	if (strstr(key, "multiplier") || strstr(key, "scal"))
		return json_is_number(v) && json_number_value(v) == 1;
	return 0;
}

/* Does the family read this path, or say that it does not matter? */
static int is_named(const struct family *f, const char *path)
{
	for (size_t i = 0; i < f->nrule; i++)
		if (family_expr_names(f->rule[i].expr, path))
			return 1;
	for (size_t i = 0; i < f->nlayer; i++)
		if (family_expr_names(f->layer[i].expr, path))
			return 1;
	for (size_t i = 0; i < f->nrequire; i++)
		if (!strcmp(f->require[i].name, path))
			return 1;
	for (size_t i = 0; i < f->ignore.n; i++)
		if (!strcmp(f->ignore.at[i], path))
			return 1;
	return 0;
}

/* Is key the first part of a path that the family reads? */
static int holds_named(const struct family *f, const char *key)
{
	for (size_t i = 0; i < f->also.n; i++)
		if (!strcmp(f->also.at[i], key))
			return 1;
	return 0;
}

static int refuse(const char *path)
{
	return err_set(E_DATA, "config.json: %s may change what the model "
		       "computes, and this family does not know it", path);
}

/* The same under the name that "also" has for the object. */
static int is_named_also(const struct family *f, const char *path)
{
	for (size_t i = 0; i + 1 < f->also.n; i += 2) {
		size_t n = strlen(f->also.at[i + 1]);
		char other[4 * FAMILY_PATH];

		if (strncmp(f->also.at[i + 1], path, n) || path[n] != '.')
			continue;
		snprintf(other, sizeof(other), "%s%s", f->also.at[i],
			 path + n);
		if (is_named(f, other))
			return 1;
	}
	return is_named(f, path);
}

/* Every member of an object that the family reads must be named; depth: of
 * objects in it. */
static int check_members(const struct family *f, const char *key, json_t *o,
			 int depth)
{
	const char *name;
	json_t *v;

	json_object_foreach(o, name, v) {
		char path[2 * FAMILY_PATH];

		snprintf(path, sizeof(path), "%s.%s", key, name);
		if (is_named_also(f, path) || is_off(name, v))
			continue;
		if (!json_is_object(v) || !depth)
			return refuse(path);
		TRY(check_members(f, path, v, depth - 1));
	}
	return 0;
}

int family_check_keys(const struct family *f, json_t *config)
{
	const char *key;
	json_t *v;

	json_object_foreach(config, key, v) {
		if (is_named(f, key) || is_off(key, v))
			continue;
		if (json_is_object(v) && holds_named(f, key))
			TRY(check_members(f, key, v, 1));
		else if (holds_named(f, key) ||
			 (family_key_tells(key) && !is_harmless(key)))
			return refuse(key);
	}
	return 0;
}
