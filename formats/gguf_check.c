/*
 * Is there a number in the metadata that nobody reads here, and that would
 * change what the model computes? As of config.json's keys, its name tells
 * (arch/family.h), unless its value says that it is off.
 */
#include "formats/gguf_files.h"

#include <stdio.h>
#include <string.h>

#include "base/size.h"

/* Behind the architecture's name; read elsewhere, or of no weight. */
static const char *const known[] = {
	"attention.layer_norm_epsilon", "attention.layer_norm_rms_epsilon",
	"rope.scale_linear", "rope.scaling.attn_factor", "rope.scaling.factor",
	"rope.scaling.finetuned", "rope.scaling.original_context_length",
	"rope.scaling.type", "rope.scaling.yarn_beta_fast",
	"rope.scaling.yarn_beta_slow", "tensor_data_layout",
};

static int is_known(const struct family *f, const char *key)
{
	const struct family_key *k;
	size_t n;

	k = family_metadata(f, &n);
	for (size_t i = 0; i < n; i++)
		if (!strcmp(k[i].key, key))
			return 1;
	for (size_t i = 0; i < NELEM(known); i++)
		if (!strcmp(known[i], key))
			return 1;
	return !strcmp(key, "attention.sliding_window_pattern") &&
	       !strncmp(family_gguf(f), "gemma", 5);
}

/* 0 is what llama.cpp takes for none; 1 as a factor changes nothing. */
static int is_off(const char *key, const struct gguf_value *v)
{
	double x;

	if (!gguf_number(v, &x)) {
		if (!strcmp(key, "attention.causal"))
			return x > 0;
		return (x <= 0 && x >= 0) ||
		       (x <= 1 && x >= 1 && v->type != GGUF_BOOL &&
			(strstr(key, "scal") || strstr(key, "factor")));
	}
	if (v->type == GGUF_ARRAY && v->element != GGUF_TEXT)
		for (size_t i = 0; i < v->count; i++) {
			x = gguf_element(v, i);
			if (x < 0 || x > 0)
				return 0;
		}
	else
		return !v->count;
	return 1;
}

int gguf_check_keys(const struct gguf *g, const struct family *f)
{
	const char *arch = family_gguf(f);
	size_t n = strlen(arch);

	for (size_t i = 0; i < g->nkey; i++) {
		const struct gguf_key *k = &g->key[i];
		char key[2 * FAMILY_PATH];

		if (k->length <= n || k->name[n] != '.' ||
		    memcmp(k->name, arch, n))
			continue;
		snprintf(key, sizeof(key), "%.*s", (int)(k->length - n - 1),
			 k->name + n + 1);
		if (is_known(f, key) || is_off(key, &k->value) ||
		    !family_key_tells(key))
			continue;
		return err_set(E_DATA, "%s.%s may change what the model "
			       "computes, and this family does not know it",
			       arch, key);
	}
	return 0;
}
