/*
 * base_pages - a base's matrices that need not be in memory
 *
 * While a base is read, its matrices get addresses, and where their bytes are
 * is noted: as chunks of the tensor stream where that is a file, else in
 * memory, or, when a budget would be exceeded, in a file without a name
 * (pager/spill.h). Afterwards all are loaded for good, or a pager brings them
 * in and out. Every chunk is verified whenever it is read.
 *
 * A tensor's parts lie in its page one after the other; part[].data points
 * there, and may be followed only while the page is in memory.
 */
#ifndef FORMATS_BASE_PAGES_H
#define FORMATS_BASE_PAGES_H

#include "base/par.h"
#include "formats/source.h"
#include "pager/pager.h"

struct base_pages;

/* budget: bytes that may be used while the base comes in. E_NOMEM. */
int base_pages_new(struct base_pages **b, uint64_t budget) MUST_CHECK;
void base_pages_free(struct base_pages *b);     /* NULL is fine */

/* Is this a tensor whose bytes may stay away? */
int base_pages_wants(const struct tensor *t);

/* The source's current tensor t: its parts get their addresses. Before t is
 * released, base_pages_forget() it. E_DATA, E_CREATE, E_IO, E_NOMEM. */
int base_pages_take(struct base_pages *b, struct source *s,
		    struct tensor *t) MUST_CHECK;
void base_pages_forget(const struct base_pages *b, struct tensor *t);

/* Likewise of a tensor whose bytes are its own, in memory: they are the pages'
 * from here on. E_CREATE, E_IO, E_NOMEM. */
int base_pages_keep(struct base_pages *b, struct tensor *t) MUST_CHECK;

/* Is every page in a file that was handed in, none in memory or spooled? */
int base_pages_in_files(const struct base_pages *b);

/* From now on a pager has the pages from the agent at this socket, which other
 * programs share; what it cannot give, and all when it is gone, is read as
 * before: an agent that has died already, leaving its socket, is one that is
 * gone. E_UNAVAIL: no agent, or it will not; E_DATA: the base is not one tensor
 * stream in a file. */
int base_pages_share(struct base_pages *b, const char *socket) MUST_CHECK;

/* Is the agent of base_pages_share() gone? 0 also where b is NULL. */
int base_pages_alone(const struct base_pages *b);

/* Bytes of all pages. */
uint64_t base_pages_bytes(const struct base_pages *b);

/* tensor_set's lend, for the set of the tensors that were taken; ctx is b. */
int base_pages_lend(void *b, const struct tensor *t, int back) MUST_CHECK;

/* For who plans what becomes of them. hold: E_DATA, E_IO, E_NOMEM; ready:
 * E_CREATE, E_IO. Borrowed; NULL if b is. */
const struct page_owner *base_pages_owner(struct base_pages *b);

#endif
