/*
 * pack - samples to the batches that a step is made of
 *
 * Epochs follow each other without end; each is the samples in data order, or
 * shuffled by (seed, epoch). Packed, a row is filled with whole samples in
 * that order while they fit into length tokens; a batch is so many rows. Not
 * packed, a row is one sample. A sample longer than length is cut there. No
 * batch reaches over the end of an epoch. Virtual tokens stand before every
 * sample; a row has room for one sample's beside its length.
 *
 * Where a packer stands is two numbers, so a run can go on anywhere.
 */
#ifndef DATA_PACK_H
#define DATA_PACK_H

#include "data/samples.h"

struct pack_options {
	size_t length;          /* tokens of a row at most; > 0 */
	size_t rows;            /* rows of a batch; > 0 */
	int single;             /* one sample a row */
	int shuffle;
	uint64_t seed;
	size_t front;           /* virtual tokens of a sample, of prompt 0 */
	int predicts;           /* the last of them predicts a sample's first
				 * token, whose label then counts too */
};

struct pack_place {
	uint64_t epoch;
	size_t sample;          /* of the epoch's order: the next to take */
};

/* A batch's columns, where they are written. */
struct pack_columns {
	uint64_t *sample;
	size_t *start;
	uint32_t *id, *pos;
	int32_t *target;
};

struct pack {
	struct pack_options options;
	const struct samples *samples;
	struct pack_place place;
	size_t *order;          /* of place.epoch */
	uint32_t *targets;      /* (samples->n) of each that count */
	struct pack_columns to;
	struct batch batch;     /* what pack_next() returned last */
	void *memory;
};

/* The most that a batch, or a part of one, holds. */
struct pack_most {
	size_t tokens, sequences;
	size_t longest;         /* tokens of a sequence */
	size_t targets;         /* that are computed at once */
};

/* How a batch is computed. */
struct pack_cut {
	size_t tokens;          /* of a part at most, see batch_part() */
	size_t targets;         /* at once at most; a part's are divided evenly
				 * into as few turns as can be */
};

/* At the start of epoch 0. The samples are borrowed. E_DATA: there is no
 * sample with a target; E_NOMEM. Safe to release after a failure. */
int pack_init(struct pack *p, const struct samples *s,
	      const struct pack_options *o) MUST_CHECK;
void pack_release(struct pack *p);

/* Goes to a place that a packer of the same options and data was at. E_DATA:
 * there is no such place. */
int pack_seek(struct pack *p, struct pack_place place) MUST_CHECK;

/* The place behind the first n batches. Leaves p there. */
struct pack_place pack_skip(struct pack *p, uint64_t n);

/* Batches in an epoch. Leaves p at the start of epoch 0. */
size_t pack_count(struct pack *p, uint64_t epoch);

/* Raises *most to what no batch of any epoch goes beyond, whatever place it
 * begins at. E_NOMEM. */
int pack_bound(const struct pack *p, struct pack_most *most) MUST_CHECK;

/* Raises *most to what the first n batches have, exactly, cut so. Takes a few
 * nanoseconds a sample. Leaves p at the start of epoch 0. */
void pack_measure(struct pack *p, uint64_t n, const struct pack_cut *cut,
		  struct pack_most *most);
size_t pack_turn(size_t targets, size_t most); /* of pack_cut.targets */

/* Memory for batches of at most this; before pack_next(). E_NOMEM. */
int pack_plan(struct pack *p, const struct pack_most *most) MUST_CHECK;
size_t pack_bytes(const struct pack_most *most);

/* The next batch; it lives until the next call. */
const struct batch *pack_next(struct pack *p);

/* The same batch in memory of pack_bytes(most), which it does not exceed: it
 * lives as long. */
struct batch batch_copy(const struct batch *b, void *memory,
			const struct pack_most *most);

/*
 * A part of whole: its sequences from *next on, as many as have most tokens
 * together, or one; *next goes on behind them. start (whole->nseq + 1) is
 * memory that the part uses. 0: there was none.
 */
int batch_part(struct batch *part, const struct batch *whole, size_t *next,
	       size_t most, size_t *start);

#endif
