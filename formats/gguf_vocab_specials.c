/* The tokens that begin, end and pad, and what is put around a text */
#include "formats/gguf_vocab_parts.h"

#include <string.h>

#include "base/size.h"

static int put_id(struct gguf_out *o, const char *key, int64_t id, size_t rows)
{
	if (id < 0 || (uint64_t)id >= rows)
		return 0;
	return gguf_out_u32(o, key, (uint32_t)id);
}

/* A number, or the first of a list. */
static int64_t id_in(json_t *config, const char *key)
{
	json_t *v = json_object_get(config, key);

	if (json_is_array(v))
		v = json_array_get(v, 0);
	return json_is_integer(v) ? json_integer_value(v) : -1;
}

/* By the tokenizer's own word, else by config.json. */
static int64_t named(struct tokenizer *t, json_t *config, const char *token,
		     const char *key)
{
	const char *text = json_text(tokenizer_special(t), token, NULL);
	int64_t id = text ? tokenizer_id(t, text) : -1;

	return id >= 0 ? id : id_in(config, key);
}

/* Other tokens that end a turn, of generation_config.json. */
static int put_ends(struct gguf_out *o, const struct gguf_sides *s,
		    int64_t eos, size_t rows)
{
	static const char *const key[] = { "tokenizer.ggml.eot_token_id",
					   "tokenizer.ggml.eom_token_id" };
	json_t *root, *ids, *v;
	size_t i, at = 0;
	int err = 0;

	if (!s->generation)
		return 0;
	TRY(json_parse(&root, s->generation, s->generation_size));
	ids = json_object_get(root, "eos_token_id");
	json_array_foreach(ids, i, v) {
		int64_t id = json_is_integer(v) ? json_integer_value(v) : -1;

		if (id == eos || at == NELEM(key) || err)
			continue;
		err = put_id(o, key[at++], id, rows);
	}
	json_decref(root);
	return err;
}

/* Is id put before a text, or after it? */
static int put_around(struct gguf_out *o, struct tokenizer *t, int64_t bos,
		      int64_t eos)
{
	struct ids plain = { 0 }, all = { 0 };
	int err = tokenizer_encode(t, "a", 1, 0, &plain);
	int before = 0, after = 0;

	if (!err)
		err = tokenizer_encode(t, "a", 1, 1, &all);
	if (!err && all.n > plain.n) {
		before = bos >= 0 && all.at[0] == (uint32_t)bos;
		after = eos >= 0 && all.at[all.n - 1] == (uint32_t)eos &&
			all.n > plain.n + (size_t)before;
	}
	if (!err && all.n != plain.n + (size_t)before + (size_t)after)
		err = err_set(E_DATA, "the post-processor puts tokens around "
			      "a text that llama.cpp cannot put there");
	if (!err)
		err = gguf_out_bool(o, "tokenizer.ggml.add_bos_token",
				    before);
	if (!err)
		err = gguf_out_bool(o, "tokenizer.ggml.add_eos_token", after);
	ids_release(&plain);
	ids_release(&all);
	return err;
}

int gguf_vocab_specials(struct gguf_out *o, struct tokenizer *t,
			const struct gguf_sides *s, json_t *config,
			size_t rows)
{
	int64_t bos = named(t, config, "bos_token", "bos_token_id");
	int64_t eos = named(t, config, "eos_token", "eos_token_id");

	TRY(put_id(o, "tokenizer.ggml.bos_token_id", bos, rows));
	TRY(put_id(o, "tokenizer.ggml.eos_token_id", eos, rows));
	TRY(put_id(o, "tokenizer.ggml.unknown_token_id",
		   named(t, config, "unk_token", "unk_token_id"), rows));
	TRY(put_id(o, "tokenizer.ggml.padding_token_id",
		   named(t, config, "pad_token", "pad_token_id"), rows));
	TRY(put_ends(o, s, eos, rows));
	return put_around(o, t, bos, eos);
}
