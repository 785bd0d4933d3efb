/* pages_parts - what pages are made of; for pages*.c only */
#ifndef PAGER_PAGES_PARTS_H
#define PAGER_PAGES_PARTS_H

#include "pager/pages.h"

enum state { ABSENT, LOADING, HERE, STORING, STORED };

#define NEVER UINT64_MAX
#define NO_PAGE SIZE_MAX

struct page {
	size_t bytes;
	enum state state;
	int dirty;              /* differs from what is stored */
	int err;
	int drop;               /* give its memory back at once */

	int in;                 /* virtually in memory */
	int changed;            /* virtually dirty */
	uint64_t last;          /* step of `ahead`'s past that used it last,
				 * plus one; 0: none */
	size_t first, nuse;     /* its uses in `at` */
};

/* A use in the plan, from the page's side. */
struct at {
	size_t step;
	unsigned how;
};

struct pages {
	struct page *page;
	size_t npage, capacity;
	size_t used, in_use;            /* bytes: taken, virtually */

	struct page_use *use;
	size_t *start;
	struct at *at;
	size_t nstep;
	int repeat, paused, open;

	uint64_t done, ahead;
	size_t next;                    /* the use of `ahead` to look at */
	size_t want;                    /* page to bring in, or NO_PAGE */
	unsigned want_how;
	size_t moving;                  /* loads and stores under way */
	uint64_t loads;
};

/* ---- pages_ahead.c: playing ahead ---- */

/* To the next page that is to be brought in, s->want; 0: there is none now. */
int pages_find_want(struct pages *s);

/* The page to give up for it; *store: its bytes are to be kept. */
size_t pages_victim(const struct pages *s, int *store);

#endif
