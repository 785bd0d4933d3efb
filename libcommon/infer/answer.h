/*
 * answer - what a model writes for each record of a file, several at once
 *
 * A record is {"prompt": text} or {"messages": [...]}, which is asked through
 * the model's chat template. It comes back with "completion": what was
 * written; so the answers are training data.
 */
#ifndef INFER_ANSWER_H
#define INFER_ANSWER_H

#include "data/by_field.h"
#include "data/text.h"
#include "infer/decode.h"

struct answer_options {
	const char *data;               /* JSON lines, or one JSON array */
	const struct by_field *field;   /* whose soft prompt; NULL: the first */
	struct sampling how;
	size_t most;                    /* tokens to write at most */
	size_t at_once;                 /* records of a batch */
	const char *system;             /* with chat: before the prompt */
	int chat;                       /* a prompt is a user's message */
	uint64_t memory;                /* as a scorer's */
};

/* fn: an answered record, borrowed, in the data's order. E_DATA: with the
 * record; E_USAGE: at_once. */
int answer_all(struct program *p, struct pool *pool,
	       const struct text_codec *text, const struct answer_options *o,
	       int (*fn)(void *ctx, json_t *record), void *ctx) MUST_CHECK;

#endif
