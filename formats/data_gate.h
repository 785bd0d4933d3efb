/*
 * data_gate - what data may not be, before it costs a night
 *
 * Every sample that dataset.h reads passes here. Some faults refuse the sample
 * in which they are found; others occur now and then in good data, and are
 * refused at the end when their share is above a limit. Each can be allowed.
 */
#ifndef FORMATS_DATA_GATE_H
#define FORMATS_DATA_GATE_H

#include "base/err.h"
#include "base/json.h"

#include <stddef.h>
#include <stdint.h>

/* Faults that --allow names; the sample is left out or taken as it is. */
enum data_fault {
	FAULT_UNLABELLED,       /* no token carries loss: left out */
	FAULT_NO_STOP,          /* no end of the answer is learned: taken */
	FAULT_DOUBLE_BOS,       /* two BOS at the beginning: one is taken off */
	FAULT_TEMPLATE,         /* the template's tokens are none of the
				 * tokenizer's: taken */
};

/* "no-stop,template" to bits 1 << fault; NULL: none. E_USAGE. */
int data_faults_parse(unsigned *allowed, const char *list) MUST_CHECK;

/* Where a fault occurred first. */
struct data_place {
	const char *file;       /* borrowed */
	size_t number;          /* of the record, from 1; 0: nowhere */
};

enum { LENGTH_CLASSES = 32 };

struct dataset_stats {
	size_t records;         /* all that were read, rows of a text too */
	size_t samples, tokens, labels; /* of what was taken */
	size_t truncated, dropped;      /* longer than length; a sample whose
					 * labels are all beyond it is dropped
					 */
	size_t empty;           /* nothing to learn but an end: left out */
	size_t unlabelled;      /* left out */
	size_t unlearned;       /* answers without loss: the template renders
				 * them otherwise once more follows */
	size_t duplicates;      /* text and labels as an earlier record's */
	size_t ends;            /* samples that learn a stop token */
	size_t ended, endless;  /* of those with answers: these, and others */
	size_t longest;         /* tokens, before a cut */
	size_t lengths[LENGTH_CLASSES]; /* [i]: of at most 2^i tokens, and more
					 * than 2^(i-1); before a cut */
	struct data_place first_truncated, first_empty, first_duplicate,
			  first_endless;
};

struct data_gate {
	unsigned allowed;               /* 1 << data_fault */
	double most_truncated;          /* shares of the records */
	double most_empty, most_duplicates;
	uint64_t *seen;                 /* what was met; made when needed */
};

void data_gate_release(struct data_gate *g);    /* safe on a zeroed one */

/* g NULL allows nothing. */
int data_gate_allows(const struct data_gate *g, enum data_fault fault);

/*
 * Has a record of this text (size bytes) and these marks (n of them: where its
 * loss begins and ends) been met? Remembers it. The memory is 8 MiB, however
 * many there are: of more than some hundred thousand records the oldest are
 * forgotten. *yes is 0 without a gate. E_NOMEM.
 */
int data_gate_seen(struct data_gate *g, const char *text, size_t size,
		   const size_t *mark, size_t n, int *yes) MUST_CHECK;

/* All has been read: E_DATA with the first record's number where a share is
 * above its limit, or where answers are cut before they end, all of them. g may
 * be NULL. */
int data_gate_close(const struct data_gate *g,
		    const struct dataset_stats *stats) MUST_CHECK;

/* What was not taken as it came: no line, or a few, that begin with a
 * program's name. */
enum { DATA_COUNTS = 1024 };
const char *data_counts_text(char text[DATA_COUNTS],
			     const struct dataset_stats *s, size_t length,
			     const char *program);

/* The statistics as an object; the caller's. E_NOMEM. */
int data_report(json_t **report, const struct dataset_stats *s) MUST_CHECK;

#endif
