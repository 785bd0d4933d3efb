/*
 * pager - pages that come into memory before they are read, and leave it after
 *
 * A thread with a libuv loop of its own drives the schedule (pager/pages.h);
 * libuv's pool does the reading, checking and writing, in pieces. The caller
 * declares a plan and goes through its steps; while one step is computed, the
 * pages of the next ones come in.
 *
 * Pages have addresses from the start (pager/space.h) and are added before the
 * first plan. One thread may call the functions below.
 */
#ifndef PAGER_PAGER_H
#define PAGER_PAGER_H

#include "base/par.h"
#include "pager/pages.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Where the bytes of a page are while it is not in memory. A page has pieces,
 * which are loaded (and stored) by several threads at a time, in any order.
 * scratch: of `scratch` bytes, aligned to 4096, for the call alone.
 */
struct pager_backing {
	void *ctx;
	size_t scratch;

	/* Fills in piece i of page id, which lies at `at`. E_DATA: it is
	 * damaged; E_IO; the message names the file and the place. */
	int (*load)(void *ctx, size_t id, size_t i, void *at,
		    void *scratch) MUST_CHECK;

	/* NULL: pages of this backing are only read. */
	int (*store)(void *ctx, size_t id, size_t i,
		     const void *at) MUST_CHECK;

	/* NULL: the page's memory is the pager's. Else, on the loop's thread,
	 * takes away what load() put at the page's addresses, which no other
	 * page gets. */
	int (*drop)(void *ctx, size_t id, void *at, size_t bytes,
		    struct page_time when) MUST_CHECK;
};

struct pager_page {
	void *at;               /* SPACE_PAGE aligned */
	size_t bytes;           /* a multiple of SPACE_PAGE */
	const struct pager_backing *backing;
	size_t id;              /* its name there */
	size_t npiece;
};

/* Who has pages that are not in memory, before a pager has them. */
struct page_owner {
	void *ctx;
	const struct pager_page *page;
	size_t n;
	uint64_t here;          /* bytes of those that are in memory, without a
				 * pager */
	int paged;              /* ready() was called: the threads that pagers
				 * share are there */

	/* All into memory for good: no pager is needed. */
	int (*hold)(void *ctx, struct pool *pool) MUST_CHECK;
	/* None in memory, all can be loaded: a pager may begin. */
	int (*ready)(void *ctx) MUST_CHECK;
};

/* The page that begins at these addresses; n: none does. */
size_t pager_page_of(const struct pager_page *pages, size_t n, const void *at);

/* Bytes of all of them. */
uint64_t pager_page_bytes(const struct pager_page *pages, size_t n);

struct pager_stats {
	uint64_t loads, stores;         /* pages */
	uint64_t read, written;         /* bytes of pages */
	uint64_t steps;
	uint64_t peak;                  /* bytes in memory */
	double stalled;                 /* seconds in pager_begin() */
};

struct pager;

/* Pieces under way at a time; their scratch is the pager's only memory beside
 * the pages. */
enum { PAGER_WAYS = 4 };

/* pages (n) are copied. E_NOMEM, E_UNAVAIL. */
int pager_new(struct pager **p, const struct pager_page *pages, size_t n,
	      size_t capacity) MUST_CHECK;

/* Waits for what is under way; no page is in memory then. NULL is fine. */
void pager_free(struct pager *p);

/* What the pager takes beside its pages, for a plan of memory; and what its
 * threads' stacks and heaps come to. */
size_t pager_bytes(const struct pager_page *pages, size_t n);
enum { PAGER_THREADS = 1 << 20 };

/* As pages_plan(), between steps; waits for what is under way. A plan that
 * repeats goes on by itself. */
int pager_plan(struct pager *p, const struct page_plan *plan) MUST_CHECK;

/* The plan's next step: its pages are in memory until pager_end(). The first
 * error of a page ends the run: it is returned from here on. */
int pager_begin(struct pager *p) MUST_CHECK;
void pager_end(struct pager *p);

/* So far; of a pager at rest or at work. */
void pager_statistics(struct pager *p, struct pager_stats *s);

#endif
