/* base_pages_parts - what base_pages is made of; for base_pages*.c only */
#ifndef FORMATS_BASE_PAGES_PARTS_H
#define FORMATS_BASE_PAGES_PARTS_H

#include "formats/base_pages.h"
#include "pager/space.h"
#include "pager/spill.h"

#include <sys/types.h>

/* A part of a page's bytes, and where it is stored. */
struct place {
	size_t at, n;           /* in the page */
	uint64_t hash, offset;
	size_t stored;
	int packed, planes, part;
};

struct file {
	char *name;
	int fd, direct;         /* direct: past the page cache, or -1 */
	dev_t device;
	ino_t inode;
};

struct held_page {
	struct space space;
	size_t part_at[TENSOR_PARTS];
	struct tensor_part part[TENSOR_PARTS]; /* their counts, for checks */
	size_t npart;
	char *name;             /* the tensor's */
	int file;               /* index, or -1: the spill file */
	int here, borrowed;     /* in memory */
	int spooled;            /* in the spill file, once and for all */
	size_t first, nplace;   /* of base_pages.place */
};

struct base_pages {
	uint64_t budget, held, bytes;
	struct held_page *page;
	struct pager_page *out;
	size_t npage, room;
	struct place *place;
	size_t nplace, place_room;
	struct file *file;
	size_t nfile;
	struct spill spill;
	uint64_t spilled;
	struct pager_backing backing;
	struct page_owner owner;
	struct agent_link *link;
	int alone;              /* there was an agent */
	char *shared;           /* (npage) the agent's memory is there */
	size_t packed, raw;     /* most scratch for a chunk, packed or not */
	int direct;             /* read past the page cache */
};

/* base_pages_share.c: ends it. */
void base_pages_unshare(struct base_pages *b);

/* 1: the page's bytes are there, of the agent's memory. */
int base_pages_from_agent(struct base_pages *b, struct held_page *p);

/* base_pages_read.c: pager_backing's load; ctx is a struct base_pages. */
int base_pages_load(void *ctx, size_t id, size_t i, void *at,
		    void *scratch) MUST_CHECK;

/* Does a chunk go past the page cache to where it stays, not by scratch? */
static inline int base_pages_in_place(const struct place *p)
{
	return !p->packed && p->stored >= SPACE_PAGE &&
	       p->offset % SPACE_PAGE == 0 && p->at % SPACE_PAGE == 0;
}

/* All of a page into memory. */
int base_pages_bring(struct base_pages *b, struct held_page *p) MUST_CHECK;

#endif
