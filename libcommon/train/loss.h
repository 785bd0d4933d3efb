/*
 * loss - head and cross-entropy over the labelled positions only
 *
 * The logits exist for some rows at a time, and only where a target counts:
 * there is no (tokens, vocabulary) matrix. How many rows depends on the
 * vocabulary and the batch alone, so results do not depend on memory.
 */
#ifndef TRAIN_LOSS_H
#define TRAIN_LOSS_H

#include "arch/program.h"
#include "base/arena.h"

struct loss {
	struct program *program;        /* borrowed */
	struct pool *pool;
	size_t rows;                    /* at a time */
	struct arena memory;
	struct mat x, dx, logits, dlast;
	size_t *at;                     /* (rows) positions in the batch */
	int32_t *target;                /* (rows) */
	double *nll;                    /* (rows) */
};

/* Rows that program_logits() will be given at most: program_need.rows. */
size_t loss_rows(size_t vocab);
size_t loss_bytes(const struct program *p, const struct program_need *need);

/* For batches of at most need->tokens, need->rows of them at a time: fewer
 * than loss_rows() where no batch has as many in a turn. E_NOMEM. */
int loss_init(struct loss *l, struct program *p, struct pool *pool,
	      const struct program_need *need) MUST_CHECK;
void loss_release(struct loss *l);

/*
 * Adds -log p(target) of each of the batch's targets to *sum, one after the
 * other. last (n, hidden): what program_forward() returned. With train, the
 * gradient of that sum goes to l->dlast (n, hidden) and to a trained head's
 * gradient. *bad: the sequence of the batch where the loss is not finite, or
 * SIZE_MAX.
 */
void loss_run(struct loss *l, const struct batch *b, struct mat last,
	      int train, double *sum, size_t *bad);

#endif
