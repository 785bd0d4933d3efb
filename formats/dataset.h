/*
 * dataset - the files that people have, as samples
 *
 * Text, JSONL and JSON: alpaca, messages, prompt/completion, text, and
 * input_ids/labels. Recognised from the first record. Samples are given to a
 * callback one at a time, so that a file of any size takes constant memory.
 * tokenize, peft-step -d and eval -d all read through here.
 */
#ifndef FORMATS_DATASET_H
#define FORMATS_DATASET_H

#include "formats/chat.h"
#include "formats/tokenizer.h"
#include "data/samples.h"

struct dataset_options {
	const char *chat_template;      /* name, or NULL */
	int train_on_prompt;            /* labels on everything */
	size_t vocab;                   /* ids are below it; 0: as the
					 * tokenizer says */
	size_t length;                  /* longest sample; 0: no limit */
	int drop_long;                  /* leave it out rather than cut it */
	int eval_text;                  /* text is one sample, and no end of
					 * text is added */
};

struct dataset_stats {
	size_t samples, tokens, labels;
	size_t truncated, dropped;      /* longer than length; a sample whose
					 * labels are all beyond it is dropped
					 */
};

struct dataset_sample {
	const uint32_t *id;
	const int32_t *label;
	size_t n;
	const char *text;       /* rendered, for --show; or NULL */
	size_t number;          /* from 1, for messages */
};

typedef int dataset_fn(void *ctx, const struct dataset_sample *s);

/*
 * Reads path (NULL, "-": standard input). t may be NULL for pre-tokenised
 * records only. stats are added up. What fn returns, unless 0, ends the
 * reading and is returned. E_DATA, with file and record number: no labelled
 * token, a doubled BOS, a missing end of turn, a record of no known kind.
 */
int dataset_read(const char *path, struct tokenizer *t,
		 const struct dataset_options *o, struct dataset_stats *stats,
		 dataset_fn *fn, void *ctx) MUST_CHECK;

#endif
