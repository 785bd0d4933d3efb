/*
 * paging - a step of training, layer by layer, on a base that comes and goes
 *
 * All parts of a step (micro-batches, or parts of them) go through a segment of
 * the model before the next is read: down through the layers, and up again. So
 * the base is read twice a step, however many parts it has, and what the
 * budget keeps of it is not. What a part carries between visits
 * (program_visits()) lies in pages too.
 *
 * The same sums in the same order as part by part: the same bits.
 */
#ifndef TRAIN_PAGING_H
#define TRAIN_PAGING_H

#include "arch/program.h"
#include "data/pack.h"
#include "pager/pager.h"

struct paging;

struct paging_options {
	const struct pager_page *base;  /* (nbase) the base's pages; borrowed */
	size_t nbase;
	size_t capacity;                /* bytes for pages */
	const size_t *state;            /* (segments) bytes of the optimizer's
					 * states, which are in pages too; NULL:
					 * they are not */
	size_t batches;                 /* of a step, at most, ... */
	const struct pack_most *most;   /* ... and what each may hold */
};

/* Bytes that all slots take for the parts of a step: room on disk. */
uint64_t paging_spill_bytes(const struct program *p, const struct pool *pool,
			    const struct program_need *need,
			    const struct paging_options *o);

/* The least capacity: two segments one after the other, with what a part
 * carries. */
uint64_t paging_least(const struct program *p, const struct pool *pool,
		      const struct program_need *need,
		      const struct paging_options *o);

/* Bytes beside the pages. */
uint64_t paging_bytes(const struct paging_options *o);

/* After program_plan() with need.visits. p is borrowed. E_NOMEM, E_CREATE: the
 * disk has no room for what is carried. */
int paging_new(struct paging **g, struct program *p, size_t tokens,
	       const struct paging_options *o) MUST_CHECK;
void paging_free(struct paging *g);     /* NULL is fine */

/* The batches of a step, one by one: they are copied, and cut into parts of at
 * most `tokens`. Parts without targets are left out. */
void paging_clear(struct paging *g);
void paging_add(struct paging *g, const struct batch *b);
int paging_full(const struct paging *g);

/* Between forward and backward of a part: fills dlast (NULL: no backward
 * follows), or fails. */
typedef int paging_loss_fn(void *ctx, const struct batch *b, struct mat last,
			   struct mat *dlast);

/* Moves the parameters of a segment by their gradients; its states are
 * there. */
typedef void paging_update_fn(void *ctx, size_t segment);

struct paging_calls {
	void *ctx;
	paging_loss_fn *loss;

	/* With states in pages: called for each segment when its gradients are
	 * complete, if together is set, else by paging_update(). */
	paging_update_fn *update;
	int together;
};

/* Takes all parts down, through the loss and, with train, up again. step:
 * dropout's key. E_DATA, E_IO: a page cannot be read. */
int paging_run(struct paging *g, struct pool *pool, int train, uint32_t step,
	       const struct paging_calls *calls) MUST_CHECK;

/* After a run with train that was not together. */
int paging_update(struct paging *g, const struct paging_calls *c) MUST_CHECK;

/* Where a segment's states are, and a way to them between steps: they are there
 * until the next call. */
void *paging_state(const struct paging *g, size_t segment);
int paging_use_state(void *paging, size_t segment) MUST_CHECK;

void paging_statistics(const struct paging *g, struct pager_stats *s);

#endif
