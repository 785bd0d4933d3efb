/*
 * dataset_parts - what reading a data file is put together from
 *
 * A kind of record is a row of dataset_kinds: does this record look like one,
 * and its sample. A kind either fills in ids and labels itself, or gives the
 * text with the spans of it that carry loss, and reading_tokenise() does the
 * rest. reading_emit() is the gate that every sample passes.
 */
#ifndef FORMATS_DATASET_PARTS_H
#define FORMATS_DATASET_PARTS_H

#include "base/io.h"
#include "base/json.h"
#include "formats/dataset.h"
#include "formats/text.h"
#include "formats/tokenizer_parts.h"

/* JSON values one at a time: a value a line, in an array, or just one behind
 * the other. Holds one value. */
struct records {
	struct io_in in;
	const unsigned char *at;        /* what is left of a block */
	size_t left;
	unsigned char *block;
	struct text value;
	int array;              /* inside one; 2: its end was seen */
	size_t n;               /* values so far */
};

/* Does the head of a file look like records (1) or like text (0)? */
int records_probe(const char *path, const unsigned char *head, size_t n);

/* in is borrowed, opened and not read from. */
int records_init(struct records *r, struct io_in *in) MUST_CHECK;

/* *value: NULL at the end; free with json_decref(). E_DATA with the record's
 * number. */
int records_next(struct records *r, json_t **value) MUST_CHECK;
void records_release(struct records *r);

struct reading {
	struct tokenizer *t;
	struct chat *chat;
	const struct dataset_options *o;
	struct dataset_stats *stats;
	dataset_fn *fn;
	void *ctx;
	size_t number;          /* of the record, from 1 */
	int failed;             /* fn did */

	struct ids ids;         /* the sample's tokens */
	int32_t *label;         /* (label_room >= ids.n) */
	size_t label_room;

	struct text text;       /* the sample's text, if it came from one */
	struct span *span;      /* (nspan) of it that carry loss, in order */
	size_t nspan, span_room;
	struct ids part;        /* where reading_tokenise() works */
};

struct dataset_kind {
	const char *name;       /* as messages and --report call it */
	int (*is)(json_t *record);
	int (*read)(struct reading *r, json_t *record) MUST_CHECK;
	int tokenises;          /* needs a tokenizer */
};

extern const struct dataset_kind dataset_kinds[]; /* ends with no name */

/* The rows that are conversations: dataset_chat.c. turns: prompt and
 * completion that are lists of messages. */
int dataset_is_messages(json_t *record);
int dataset_is_sharegpt(json_t *record);
int dataset_is_turns(json_t *record);
int dataset_is_alpaca(json_t *record);
int dataset_read_messages(struct reading *r, json_t *record) MUST_CHECK;
int dataset_read_sharegpt(struct reading *r, json_t *record) MUST_CHECK;
int dataset_read_turns(struct reading *r, json_t *record) MUST_CHECK;
int dataset_read_alpaca(struct reading *r, json_t *record) MUST_CHECK;

/* Marks [start, end) of r->text. */
int reading_span(struct reading *r, size_t start, size_t end) MUST_CHECK;

/* r->text to ids and labels. special: let the tokenizer add BOS; end: append
 * the tokenizer's end of text, with loss, where it is not there yet. */
int reading_tokenise(struct reading *r, int special, int end) MUST_CHECK;

/* Room for a label for each id. */
int reading_labels(struct reading *r) MUST_CHECK;

/* Checks and counts the sample, cuts it to length, calls fn. */
int reading_emit(struct reading *r) MUST_CHECK;

/* A text file: ids in rows of o->length, or as one sample. */
int dataset_read_text(struct reading *r, struct io_in *in) MUST_CHECK;

#endif
