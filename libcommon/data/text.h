/*
 * text - a model's text, as those see it who only want token ids
 *
 * Tokenizer and chat template behind three functions, so that what runs a
 * model needs to know no file format. formats/base_text.c fills it in.
 */
#ifndef DATA_TEXT_H
#define DATA_TEXT_H

#include "base/err.h"
#include "base/json.h"

#include <stddef.h>
#include <stdint.h>

struct text_ids {
	uint32_t *at;           /* free() it */
	size_t n;
};

struct text_codec {
	/* With what the tokenizer itself adds (BOS), unless the text is a
	 * rendered chat, which has it already. */
	int (*encode)(void *ctx, const char *text, size_t size, int chat,
		      struct text_ids *ids) MUST_CHECK;

	/* Special tokens left out. Free *text. */
	int (*decode)(void *ctx, const uint32_t *id, size_t n,
		      char **text) MUST_CHECK;

	/* Messages [0, n) with the opening of the answer. Free *text.
	 * E_CONFIG: the model has no template that can be rendered. */
	int (*render)(void *ctx, json_t *messages, size_t n,
		      char **text) MUST_CHECK;

	/* In lower case. Free *out. */
	int (*lower)(void *ctx, const char *text, char **out) MUST_CHECK;
	void *ctx;
	const uint32_t *stop;   /* tokens that end an answer */
	size_t nstop;
	int64_t prefix;         /* stands before a text that nothing stands
				 * before: BOS, or else the end of text; -1:
				 * there is none */
};

#endif
