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

/* A way in which a file holds records: one at a time, as JSON objects. */
struct dataset_form {
	const char *name;

	/* Does a file that begins so look like it? path may be NULL. */
	int (*probe)(const char *path, const unsigned char *head, size_t n);

	/* in is borrowed and not read from; close() in any case. */
	int (*open)(void **self, struct io_in *in) MUST_CHECK;

	/* *record: NULL at the end; free with json_decref(). E_DATA with the
	 * record's number. */
	int (*next)(void *self, json_t **record) MUST_CHECK;
	void (*close)(void *self);
};

extern const struct dataset_form dataset_json, dataset_csv, dataset_tsv;

/* Does path (may be NULL) end so? */
int dataset_ending(const char *path, const char *ending);

/* The fields that --columns names. */
enum { COLUMNS = 16 };

struct column {
	const char *to, *from;  /* our name, theirs */
	int optional;           /* a record may be without it */
};

struct columns {
	char *text;
	struct column at[COLUMNS];
	size_t n;
};

int columns_parse(struct columns *c, const char *list) MUST_CHECK;
void columns_release(struct columns *c);

/* What is called `to` here is called in the file; otherwise: not said. */
const char *columns_from(const struct columns *c, const char *to,
			 const char *otherwise);

/* Sets a record's fields under our names. E_DATA: it has not theirs. */
int columns_apply(const struct columns *c, json_t *record) MUST_CHECK;

/* A text file that is read in blocks. */
struct text_rows {
	struct text text;       /* read and not encoded */
	struct ids ids;         /* encoded; those from at on are not taken */
	size_t at, end;         /* end: bytes of the file read */
	int last;               /* all was read */
	int words;              /* there was more than blanks */
};

struct reading {
	struct tokenizer *t;
	struct chat *chat;
	const struct dataset_options *o;
	struct dataset_stats *stats;
	struct io_in in;
	const struct dataset_form *form; /* NULL: text */
	void *records;          /* the form's */
	struct text_rows rows;
	const struct dataset_kind *kind; /* the first record's */
	struct columns columns;
	size_t number;          /* of the record, from 1 */
	struct dataset_sample sample;
	int ready, ended;       /* sample is one; there is no other */

	struct ids ids;         /* the sample's tokens */
	int32_t *label;         /* (label_room >= ids.n) */
	size_t label_room;

	struct text text;       /* the sample's text, if it came from one */
	struct span *span;      /* (nspan) of it that carry loss, in order */
	size_t nspan, span_room;
	int64_t stop;           /* what ends an answer; -1: nothing */
	size_t prompt;          /* the record's soft prompt */
	int empty;              /* there is nothing to learn but an end */
	struct ids part;        /* where reading_tokenise() works */
};

struct dataset_kind {
	const char *name;       /* as messages and --report call it */
	int (*is)(json_t *record);
	int (*read)(struct reading *r, json_t *record) MUST_CHECK;
	int tokenises;          /* needs a tokenizer */
	int answers;            /* a stop token must be learned */
};

extern const struct dataset_kind dataset_kinds[]; /* ends with no name */

/* Of a record's messages or conversations, a text of JSON becomes the list.
 * E_DATA: one that begins so, and is none. */
int dataset_open_lists(json_t *record) MUST_CHECK;

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
/* Renders messages and tokenises them; from: the first whose answer counts. */
int dataset_read_talk(struct reading *r, json_t *messages,
		      size_t from) MUST_CHECK;

/* The calls of tools of message m, a new reference; NULL: it makes none. value:
 * what a message that is a call says; or NULL. E_DATA: no call. */
int dataset_calls(json_t **calls, json_t *m, json_t *value,
		  size_t number) MUST_CHECK;

/* The record's tools, a new reference; NULL: it has none. E_DATA. */
int dataset_tools(json_t **tools, json_t *record) MUST_CHECK;

/* Is there nothing but white space? */
int dataset_blank(const char *text, size_t n);

/*
 * Do the template and the tokenizer agree? What ends a turn, and all that the
 * template writes and that looks like a special token, must be one token.
 * E_DATA with the remedy.
 */
int dataset_agree(const struct chat *c, const struct tokenizer *t) MUST_CHECK;

/* Marks [start, end) of r->text. */
int reading_span(struct reading *r, size_t start, size_t end) MUST_CHECK;

/* r->text to ids and labels. special: let the tokenizer add BOS; end: append
 * the tokenizer's end of text, with loss, where it is not there yet. */
int reading_tokenise(struct reading *r, int special, int end) MUST_CHECK;

/* Room for a label for each id. */
int reading_labels(struct reading *r) MUST_CHECK;

/* Checks and counts the sample, cuts it to length; r->ready, if it is to be
 * taken. */
int reading_emit(struct reading *r) MUST_CHECK;

/* Reads on in a text file: ids in rows of o->length, or as one sample. */
int reading_text(struct reading *r) MUST_CHECK;

#endif
