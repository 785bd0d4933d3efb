/*
 * tokenizer - text to token ids and back, as a tokenizer.json says
 *
 * One front; what a tokenizer.json can name (models, normalizers, pre-
 * tokenizers, post-processors, decoders) are rows of tables. What the build
 * does not know is refused by its name.
 */
#ifndef FORMATS_TOKENIZER_H
#define FORMATS_TOKENIZER_H

#include "base/err.h"
#include "base/json.h"

#include <stddef.h>
#include <stdint.h>

struct tokenizer;

/* json: a tokenizer.json's text; config: a tokenizer_config.json's, or NULL.
 * E_DATA. */
int tokenizer_new(struct tokenizer **t, const char *json, size_t size,
		  const char *config, size_t config_size) MUST_CHECK;
void tokenizer_free(struct tokenizer *t);

/*
 * Special tokens that no tokenizer_config.json named: of map, a
 * special_tokens_map.json, where older models have them all; then, of config, a
 * config.json, the token whose id eos_token_id is (GPT-2's says it nowhere
 * else). NULL: not there. E_DATA, E_NOMEM.
 */
int tokenizer_complete(struct tokenizer *t, const char *map, size_t map_size,
		       const char *config, size_t config_size) MUST_CHECK;

struct ids {
	uint32_t *at;
	size_t n, room;
};

void ids_release(struct ids *ids);

/* Appends the ids of text (UTF-8; invalid bytes become U+FFFD, as Python's
 * errors="replace" has it). special: add what the post-processor adds (BOS). */
int tokenizer_encode(struct tokenizer *t, const char *text, size_t size,
		     int special, struct ids *ids) MUST_CHECK;

/* The text of ids; skip: leave special tokens out. Free *text. */
int tokenizer_decode(struct tokenizer *t, const uint32_t *id, size_t n,
		     int skip, char **text, size_t *size) MUST_CHECK;

/* The id of a token's exact text; -1: there is none. */
int64_t tokenizer_id(const struct tokenizer *t, const char *token);
/* Does text begin with a token that is found before anything else is done to
 * the text? Nothing reaches over the beginning of such a one. */
int tokenizer_token_at(const struct tokenizer *t, const char *text,
		       size_t size);
/* Bytes of the token that text begins with and that is found so; 0: none. */
size_t tokenizer_token_size(const struct tokenizer *t, const char *text,
			    size_t size);
size_t tokenizer_vocab(const struct tokenizer *t);      /* largest id + 1 */
/* Bytes of the normalised text, in the model's own alphabet, that a token
 * stands for: two encodings of one text have the same sum. */
size_t tokenizer_length(const struct tokenizer *t, uint32_t id);

/* Ids from tokenizer_config.json, or tokenizer_complete(); -1: none. */
int64_t tokenizer_bos(const struct tokenizer *t);
int64_t tokenizer_eos(const struct tokenizer *t);
const char *tokenizer_bos_text(const struct tokenizer *t); /* NULL: none */
const char *tokenizer_eos_text(const struct tokenizer *t);
/* The chat template, from the config or as set: newer models keep it in a file
 * of its own, chat_template.jinja. NULL: none. */
const char *tokenizer_template(const struct tokenizer *t);
/* The one of that name, where the config has a list of {name, template}. */
const char *tokenizer_template_named(const struct tokenizer *t,
				     const char *name);
/* bos_token, eos_token, unk_token, ...: key and text, as a template's
 * variables; borrowed. */
json_t *tokenizer_special(const struct tokenizer *t);
int tokenizer_set_template(struct tokenizer *t, const char *text,
			   size_t size) MUST_CHECK;

#endif
