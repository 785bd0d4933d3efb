/*
 * gguf_vocab_parts - a vocabulary on its way into a GGUF
 *
 * For gguf_vocab*.c only.
 */
#ifndef FORMATS_GGUF_VOCAB_PARTS_H
#define FORMATS_GGUF_VOCAB_PARTS_H

#include "formats/gguf_pre.h"
#include "formats/gguf_vocab.h"
#include "formats/tokenizer.h"

struct gguf_vocab_token {
	const char *text;       /* borrowed */
	size_t length;
	int type;               /* gguf_token_type */
	float score;
};

struct gguf_vocab {
	struct gguf_vocab_token *token; /* (n) by id */
	size_t n;
	char *spare;            /* names of rows without a token */
	int pieces;             /* SentencePiece: scores, no merges */
	int space;              /* it puts a space before a text */
	const struct gguf_pre *pre; /* of the others */
};

/* Scores in the order of the model's merges: what is made first has the best.
 * E_DATA, E_NOMEM. */
int gguf_vocab_scores(struct gguf_vocab *v, json_t *model) MUST_CHECK;

/* The ids of tokens that begin, end, pad, and what stands around a text. */
int gguf_vocab_specials(struct gguf_out *o, struct tokenizer *t,
			const struct gguf_sides *s, json_t *config,
			size_t rows) MUST_CHECK;

#endif
