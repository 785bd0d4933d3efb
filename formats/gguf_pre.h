/*
 * gguf_pre - how byte-level vocabularies of GGUF cut text into words
 *
 * GGUF has a name for it (tokenizer.ggml.pre) where a tokenizer.json has
 * regexes. The table goes both ways.
 */
#ifndef FORMATS_GGUF_PRE_H
#define FORMATS_GGUF_PRE_H

#include "base/json.h"

struct gguf_pre {
	const char *name;
	int digits;             /* each digit by itself, then ByteLevel */
	int nfc, ignore_merges, bos; /* what the name implies besides */
	const char *regex[5];   /* none: ByteLevel's own, GPT-2's */
};

/* A token's type in tokenizer.ggml.token_type. */
enum gguf_token_type { GGUF_NORMAL = 1, GGUF_UNKNOWN, GGUF_CONTROL,
		       GGUF_USER, GGUF_UNUSED, GGUF_BYTE };

/* NULL: a name that is not known. */
const struct gguf_pre *gguf_pre_named(const char *name);

/* The "pre_tokenizer" of a tokenizer.json; NULL: no memory. */
json_t *gguf_pre_tokenizer(const struct gguf_pre *p);

/* {"type": "ByteLevel", ...}; NULL: no memory. */
json_t *gguf_byte_level(int regex, int prefix);

/* The row whose pre_tokenizer that is, of a model with these "ignore_merges"
 * and, if there are two, with NFC before it or without. NULL: none. */
const struct gguf_pre *gguf_pre_find(json_t *step, int nfc, int whole_first);

#endif
