/*
 * spare - memory of pages that were dropped, for those that come
 *
 * Fresh memory is zeroed by the kernel, which takes a processor as long as a
 * tenth of reading it from a fast disk. So a page gets that of others: all of
 * one of its size, or, between pages at multiples of SPACE_ALIGN, pieces, which
 * are moved by page tables. What it then holds is undefined.
 *
 * Moved memory stays a mapping of its own, and kernels before 6.17 move nothing
 * that is several. So all is moved in units of the same size at multiples of
 * it, which are large enough that a process may have so many mappings.
 */
#ifndef PAGER_SPARE_H
#define PAGER_SPARE_H

#include "pager/pager.h"

struct spares {
	const struct pager_page *page;  /* borrowed */
	size_t *which, n;               /* (pages) that have memory left */
	size_t *have;                   /* (pages) bytes of it: the page's
					 * first */
	size_t bytes;                   /* all of them */
	size_t unit;                    /* of pieces: a multiple of
					 * SPACE_ALIGN */
};

/* For n pages. E_NOMEM; releasing a zeroed struct, or half made, is fine. */
int spares_init(struct spares *s, const struct pager_page *pages,
		size_t n) MUST_CHECK;
void spares_release(struct spares *s);

/* The page's memory, which nobody uses any more. */
void spares_add(struct spares *s, size_t page);

/* What is spare beyond so many bytes is let go. */
int spares_limit(struct spares *s, size_t most) MUST_CHECK;

/* Gives a page without memory all of its own; then spares_limit(), before
 * it takes fresh memory. E_NOMEM. */
int spares_take(struct spares *s, size_t page, size_t most) MUST_CHECK;

#endif
