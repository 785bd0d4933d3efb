/* paging_parts - what paging is made of; for paging*.c only */
#ifndef TRAIN_PAGING_PARTS_H
#define TRAIN_PAGING_PARTS_H

#include "pager/space.h"
#include "pager/spill.h"
#include "train/paging.h"

/* A part of a step, and where its columns are. */
struct part {
	struct batch batch;
	size_t *start;
};

/* What a page of ours is in the spill file; there: it was written. */
struct stored {
	uint64_t digest;
	int there;
};

struct paging {
	struct program *program;
	size_t tokens;                  /* of a part, at most */
	struct pack_most most;
	unsigned char *columns;         /* (batches, pack_bytes()) */
	size_t batches, nbatch;
	struct part *part;
	size_t nparts, npart;           /* room, in use */

	struct pager *pager;
	struct pager_page *page;        /* the base's, then (nparts, nslot) */
	size_t nbase, npage, nslot;
	struct stored *stored;          /* (npage) */
	struct space space;
	struct spill spill;
	struct pager_backing backing;
	size_t first_state;             /* its page; SIZE_MAX: none */
	int state_open;                 /* paging_use_state()'s */

	size_t *segment;                /* (segments + 1) into base_page */
	uint32_t *base_page;
	struct page_use *use;
	size_t *start, room;
	size_t planned_parts;           /* SIZE_MAX: no plan */
	int planned_way;
};

/* The page of a part's slot. */
static inline size_t paging_slot(const struct paging *g, size_t part,
				 size_t slot)
{
	return g->nbase + part * g->nslot + slot;
}

#endif
