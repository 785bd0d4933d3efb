/*
 * dataset - the files that people have, as samples
 *
 * Text, JSONL and JSON, CSV and TSV: alpaca, messages, prompt/completion,
 * text, and input_ids/labels. Recognised from the first record. Samples are
 * taken one at a time, so that a file of any size takes constant memory.
 * tokenize, peft-step -d and eval -d all read through here.
 */
#ifndef FORMATS_DATASET_H
#define FORMATS_DATASET_H

#include "formats/chat.h"
#include "formats/data_gate.h"
#include "formats/tokenizer.h"
#include "data/by_field.h"
#include "data/samples.h"

/* What a file is written in; DATASET_ANY: by its name and its beginning. */
enum dataset_format { DATASET_ANY, DATASET_CSV, DATASET_TSV, DATASET_JSON,
		      DATASET_TEXT };

struct dataset_options {
	const char *chat_template;      /* name, or NULL */
	const char *chat_variables;     /* JSON; see chat_set_all(). NULL */
	int train_on_prompt;            /* labels on everything */
	size_t vocab;                   /* ids are below it; 0: as the
					 * tokenizer says */
	size_t length;                  /* longest sample; 0: no limit */
	int drop_long;                  /* leave it out rather than cut it */
	int eval_text;                  /* text is one sample, and no end of
					 * text is added */
	int format;                     /* enum dataset_format */
	const char *columns;            /* "prompt=question,completion=answer":
					 * our field=theirs; or NULL */
	struct data_gate *gate;         /* NULL: no shares are judged */
	const struct by_field *field;   /* a sample's soft prompt; NULL: none */
	int again;                      /* the file was read before: it repeats
					 * itself, and that is meant */
};

struct dataset_sample {
	const uint32_t *id;
	const int32_t *label;
	size_t n;
	const char *text;       /* rendered, for --show; or NULL */
	size_t number;          /* from 1, for messages */
	size_t prompt;          /* of the options' field */
};

struct reading;

/* path NULL, "-": standard input. t may be NULL for pre-tokenised records
 * only; t, o, stats and path are borrowed until the end. stats are added up.
 * E_NOINPUT, E_DATA, E_USAGE (columns). */
int dataset_open(struct reading **r, const char *path, struct tokenizer *t,
		 const struct dataset_options *o,
		 struct dataset_stats *stats) MUST_CHECK;

/* *s: the next, valid until the next call; NULL at the end. E_DATA, with file
 * and record number: no labelled token, no stop token, a doubled BOS, a missing
 * end of turn, a record of no known kind. */
int dataset_next(struct reading *r,
		 const struct dataset_sample **s) MUST_CHECK;
void dataset_close(struct reading *r);  /* NULL is fine */

/* Gives all samples to fn; what it returns, unless 0, ends the reading and is
 * returned. */
typedef int dataset_fn(void *ctx, const struct dataset_sample *s);
int dataset_read(const char *path, struct tokenizer *t,
		 const struct dataset_options *o, struct dataset_stats *stats,
		 dataset_fn *fn, void *ctx) MUST_CHECK;

#endif
