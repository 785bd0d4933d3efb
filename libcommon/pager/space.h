/*
 * space - addresses for pages, with memory under those that are in use
 *
 * A page keeps its address for good, so whoever points into it need not be told
 * when it comes and goes. Memory is under it only between space_take() and
 * space_drop(); touching it outside of that is a fault, never a wrong number.
 */
#ifndef PAGER_SPACE_H
#define PAGER_SPACE_H

#include "base/err.h"

#include <stddef.h>

/* Addresses of spaces are aligned to the second: then memory moves between them
 * by whole page tables. */
enum { SPACE_PAGE = 4096, SPACE_ALIGN = 2 << 20 };

struct space {
	unsigned char *at;
	size_t bytes;
	void *whole;            /* what was reserved */
};

/* Reserves addresses, no memory. E_NOMEM. */
int space_init(struct space *s, size_t bytes) MUST_CHECK;
void space_release(struct space *s);    /* safe on a zeroed struct */

/* at, bytes: multiples of SPACE_PAGE, inside. Zeroed memory, in huge pages
 * where at is a multiple of SPACE_ALIGN: products go down columns, so in small
 * pages every row of a large matrix is another entry of the processor's
 * tables. E_NOMEM. */
int space_take(void *at, size_t bytes) MUST_CHECK;
int space_drop(void *at, size_t bytes) MUST_CHECK;

/* Memory of one goes to another, with whatever is in it: many times cheaper
 * than new memory, which the system has to clear. E_UNAVAIL: this system
 * cannot. */
int space_move(void *to, void *from, size_t bytes) MUST_CHECK;

#endif
