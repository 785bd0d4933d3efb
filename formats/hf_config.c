#include "formats/hf_config.h"

#include <stdio.h>
#include <string.h>

#include "arch/family.h"
#include "base/size.h"

/* What the whole may say for its text model, unless that says it itself. */
static const char *const outer[] = {
	"bos_token_id", "dtype", "eos_token_id", "pad_token_id",
	"quantization_config", "tie_word_embeddings", "torch_dtype",
	"transformers_version",
};

static int set(json_t *config, const char *key, json_t *value)
{
	if (!value || json_object_set_new(config, key, value))
		return err_set(E_NOMEM, "out of memory");
	return 0;
}

static int complete(json_t *text, json_t *whole)
{
	const struct family *f;

	if (!json_object_get(text, "architectures")) {
		if (family_find(&f, text))
			return err_at(E_DATA, "text_config");
		TRY(set(text, "architectures",
			json_pack("[s]", family_architecture(f))));
	}
	for (size_t i = 0; i < NELEM(outer); i++) {
		json_t *v = json_object_get(whole, outer[i]);

		if (v && !json_object_get(text, outer[i]))
			TRY(set(text, outer[i], json_incref(v)));
	}
	return 0;
}

int hf_config_text(json_t **config, int *inner)
{
	json_t *text = json_object_get(*config, "text_config");
	int err;

	*inner = json_is_object(text);
	if (!*inner)
		return 0;
	text = json_copy(text);
	if (!text)
		return err_set(E_NOMEM, "out of memory");
	err = complete(text, *config);
	if (err) {
		json_decref(text);
		return err;
	}
	json_decref(*config);
	*config = text;
	return 0;
}

const char *hf_config_name(char *to, size_t size, const char *name,
			   const char *prefix)
{
	static const char before[] = "language_model.";
	const size_t n = sizeof(before) - 1;

	if (!strncmp(name, before, n)) { /* language_model.model.layers.0 */
		snprintf(to, size, "%s", name + n);
		return to;
	}
	if (!strncmp(name, "model.", 6) && !strncmp(name + 6, before, n)) {
		snprintf(to, size, "%s%s", prefix, name + 6 + n);
		return to;
	}
	return strncmp(name, "lm_head.", 8) ? NULL : name;
}
