/*
 * gguf_vocab - a tokenizer.json as the vocabulary of a GGUF
 *
 * GGUF has tokens, their types, and merges or scores; how text is cut into
 * words it says by a name, and what it puts before a text by switches. A
 * tokenizer that does anything else is refused.
 */
#ifndef FORMATS_GGUF_VOCAB_H
#define FORMATS_GGUF_VOCAB_H

#include "base/json.h"
#include "formats/gguf_out.h"

/* Side files of a base; NULL: it has none of that name. */
struct gguf_sides {
	char *tokenizer, *tokenizer_config, *template, *generation;
	size_t tokenizer_size, tokenizer_config_size, template_size,
		generation_size;
};

/* Adds the tokenizer's keys for a vocabulary of so many rows, what is over
 * being filled up. config: config.json. Without a tokenizer.json, "no_vocab".
 * E_DATA: something that llama.cpp cannot be told, by name. */
int gguf_vocab_keys(struct gguf_out *o, const struct gguf_sides *s,
		    json_t *config, size_t rows) MUST_CHECK;

/* Does the file say the same tokenizer? g is the finished file. E_DATA: where
 * not. */
int gguf_vocab_check(const struct gguf *g,
		     const struct gguf_sides *s) MUST_CHECK;

void gguf_sides_release(struct gguf_sides *s);  /* safe on zeroes */

#endif
