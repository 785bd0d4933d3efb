#include "formats/gguf_files.h"

#include <string.h>

#include "base/size.h"

static int put_specials(json_t *c, const struct gguf *g)
{
	static const struct {
		const char *gguf, *hf;
	} token[] = {
		{ "tokenizer.ggml.bos_token_id", "bos_token" },
		{ "tokenizer.ggml.eos_token_id", "eos_token" },
		{ "tokenizer.ggml.padding_token_id", "pad_token" },
		{ "tokenizer.ggml.unknown_token_id", "unk_token" },
	};

	for (size_t i = 0; i < NELEM(token); i++) {
		json_t *text = gguf_token(g, gguf_whole(g, token[i].gguf, -1));

		if (text)
			TRY(gguf_put(c, token[i].hf, text));
	}
	return 0;
}

static int fill(json_t *c, const struct gguf *g, int bos, int space)
{
	json_t *chat = gguf_json_text(g, "tokenizer.chat_template");
	json_t *arch = gguf_json_text(g, "general.architecture");
	char key[128] = "";
	int64_t length;

	if (arch && strlen(json_string_value(arch)) < 64)
		strcat(strcpy(key, json_string_value(arch)),
		       ".context_length");
	json_decref(arch);
	length = gguf_whole(g, key, -1);
	if (chat)
		TRY(gguf_put(c, "chat_template", chat));
	if (length > 0)
		TRY(gguf_put(c, "model_max_length", json_integer(length)));
	TRY(gguf_put(c, "add_bos_token", json_boolean(bos)));
	TRY(gguf_put(c, "add_prefix_space", json_boolean(space)));
	TRY(gguf_put(c, "clean_up_tokenization_spaces", json_false()));
	TRY(put_specials(c, g));
	return gguf_put(c, "tokenizer_class",
			json_string("PreTrainedTokenizerFast"));
}

int gguf_tokenizer_config(json_t **json, const struct gguf *g)
{
	int known, bos, space;
	int err = gguf_tokenizer_adds(g, &known, &bos, &space);

	*json = NULL;
	if (err || !known)
		return err;
	*json = json_object();
	err = *json ? fill(*json, g, bos, space) :
		      err_set(E_NOMEM, "out of memory");
	if (err) {
		json_decref(*json);
		*json = NULL;
	}
	return err;
}
