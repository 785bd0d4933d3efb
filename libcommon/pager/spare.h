/*
 * spare - memory of pages that were dropped, for those that come
 *
 * Fresh memory is zeroed by the kernel, which takes a processor as long as a
 * tenth of reading it from a fast disk. So a page gets that of others: all of
 * one of its size, or pieces of SPACE_ALIGN bytes, that are moved by page
 * tables. What it then holds is undefined.
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
};

/* For n pages. E_NOMEM; releasing a zeroed struct, or half made, is fine. */
int spares_init(struct spares *s, const struct pager_page *pages,
		size_t n) MUST_CHECK;
void spares_release(struct spares *s);

/* The page's memory, which nobody uses any more. */
void spares_add(struct spares *s, size_t page);

/* Gives a page without memory all of its own; what is spare beyond so many
 * bytes is let go before. E_NOMEM. */
int spares_take(struct spares *s, size_t page, size_t most) MUST_CHECK;

#endif
