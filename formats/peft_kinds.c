#include "formats/peft_kinds.h"

#include <string.h>

#include "base/size.h"
#include "base/suffix.h"

/* The first whose type and flag fit a configuration is taken. */
static const struct peft_kind kinds[] = {
	{ "adalora", "ADALORA", NULL, 1, ".lora_E" },
	{ "dora", "LORA", "use_dora", 0, ".lora_magnitude_vector" },
	{ "qalora", "LORA", "use_qalora", 0, NULL },
	{ "lora_bias", "LORA", "lora_bias", 0, ".lora_B_bias" },
	{ "lora", "LORA", NULL, 0, NULL },
	{ "prompt", "PROMPT_TUNING", NULL, 0, NULL, "prompt.embeddings" },
	{ "prefix", "PREFIX_TUNING", NULL, 0, NULL, "prompt.keys_values" },
	{ "prompt", "P_TUNING", NULL, 0, NULL, "prompt.embeddings" },
};

static const struct peft_param params[] = {
	{ "LORA", ".lora_A", ".lora_A.weight", 0 },
	{ "LORA", ".lora_B", ".lora_B.weight", 0 },
	{ "LORA", ".lora_magnitude_vector", ".lora_magnitude_vector", 1 },
	{ "LORA", ".lora_embedding_A", ".lora_embedding_A", 0 },
	{ "LORA", ".lora_embedding_B", ".lora_embedding_B", 0 },
	{ "ADALORA", ".lora_A", ".lora_A", 0 },
	{ "ADALORA", ".lora_B", ".lora_B", 0 },
	{ "ADALORA", ".lora_E", ".lora_E", 0 },
	{ NULL, ".trainable_tokens_delta",
	  ".token_adapter.trainable_tokens_delta", 0 },
	{ "LORA", ".lora_B_bias", ".lora_B.bias", 1 },
	{ NULL, ".bias", ".base_layer.bias", 1 },
	{ NULL, ".bias", ".bias", 1 },
	{ NULL, ".weight", ".weight", 0 },
};

const struct peft_kind *peft_kind_find(const char *name)
{
	for (size_t i = 0; i < NELEM(kinds); i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	return NULL;
}

const struct peft_kind *peft_kind_of(json_t *peft)
{
	for (size_t i = 0; i < NELEM(kinds); i++)
		if (!strcmp(kinds[i].type, json_text(peft, "peft_type", "")) &&
		    (!kinds[i].flag || json_flag(peft, kinds[i].flag, 0)))
			return &kinds[i];
	return NULL;
}

static int has(const struct peft_kind *k, const struct peft_param *p)
{
	return !p->type || !strcmp(p->type, k->type);
}

const struct peft_param *peft_param_theirs(const struct peft_kind *k,
					   const char *name)
{
	for (size_t i = 0; i < NELEM(params); i++)
		if (has(k, &params[i]) && suffix_stem(name, params[i].theirs))
			return &params[i];
	return NULL;
}

const struct peft_param *peft_param_ours(const struct peft_kind *k,
					 const char *name)
{
	for (size_t i = 0; i < NELEM(params); i++)
		if (has(k, &params[i]) && suffix_stem(name, params[i].ours))
			return &params[i];
	return NULL;
}

int peft_is_flag(const char *key)
{
	for (size_t i = 0; i < NELEM(kinds); i++)
		if (kinds[i].flag && !strcmp(kinds[i].flag, key))
			return 1;
	return 0;
}
