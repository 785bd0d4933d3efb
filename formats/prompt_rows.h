/*
 * prompt_rows - a soft prompt as tokens of the vocabulary
 *
 * Row i becomes the token "<|weft_prompt_i|>" with the row as its embedding, so
 * that any engine that reads the model has the prompt: a text that begins with
 * all these tokens is the text behind the prompt, and chat templates begin so.
 * In the head a new token's row (and bias) is the mean of all: its logit is
 * then the mean of the logits, which is never the largest, and together n such
 * tokens take at most n of V + n parts of the probability.
 *
 * A base is met tensor by tensor. Its files are held back until the first
 * weight, since config.json depends on tokenizer.json (formats/grow.h).
 */
#ifndef FORMATS_PROMPT_ROWS_H
#define FORMATS_PROMPT_ROWS_H

#include "formats/grow.h"

struct prompt_rows {
	const struct tensor *p; /* (n, hidden) f32, borrowed; NULL: none */
	float scale;            /* times which the model takes its rows */
	struct grow_choice choice;
	struct grow grow;
	struct tensor_set files; /* held back */
	int begun;              /* they are not any more */
	size_t first;           /* id of the first row */
	char bias[TENSOR_NAME]; /* the head's; "": none was met */
	int embedded;           /* an embedding has got the prompt */
	char *text;             /* what a text begins with */
};

/* The adapter's tensors, which outlive r. E_DATA: no prompt of f32 is there. */
int prompt_rows_open(struct prompt_rows *r,
		     const struct tensor_set *adapter) MUST_CHECK;

/* Takes a file's contents. E_NOMEM. */
int prompt_rows_hold(struct prompt_rows *r, struct tensor *blob) MUST_CHECK;

/* After the last: files has what the merged model's say. E_DATA: the base has
 * no tokenizer, or has a prompt's tokens already. */
int prompt_rows_begin(struct prompt_rows *r, float scale) MUST_CHECK;

/* Must this weight be loaded and given to prompt_rows_put()? */
int prompt_rows_wants(const struct prompt_rows *r, const struct tensor *t);

/* Gives the weight its rows, all in f32, in which the prompt is what it was. */
int prompt_rows_put(struct prompt_rows *r, struct tensor *t) MUST_CHECK;

/* After the last weight. E_DATA: no embedding of the vocabulary was met. */
int prompt_rows_end(const struct prompt_rows *r) MUST_CHECK;

/* Ready for another base; p stays. Safe on a zeroed struct. */
void prompt_rows_release(struct prompt_rows *r);

#endif
