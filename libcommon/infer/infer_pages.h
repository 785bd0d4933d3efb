/*
 * infer_pages - a base that is not in memory, for passes without training
 *
 * Segment after segment, each is brought in while the one before is computed:
 * a pass reads what memory does not keep once.
 */
#ifndef INFER_INFER_PAGES_H
#define INFER_INFER_PAGES_H

#include "arch/program.h"
#include "pager/pager.h"

struct infer_pages;

/* Bytes of the base's pages; 0: all of it is in memory. */
uint64_t infer_pages_bytes(const struct program *p);

/* The least room that infer_pages_new() can do with. E_NOMEM. */
int infer_pages_least(uint64_t *least, struct program *p) MUST_CHECK;

/*
 * What the process has in use now, without the pages of the n programs' bases:
 * adapters, data, tokenizer, libraries, stacks, and those of a pager that may
 * come. In whole MiB, since it differs by some KiB from run to run, and who is
 * told the least that a plan takes can do with it.
 */
uint64_t infer_pages_beside(struct program *const *p, size_t n);

/*
 * The base may take room bytes from here on: all of it comes into memory, and
 * *to is NULL; or p's passes bring it in as they go, until infer_pages_free().
 * Does nothing where the base is in memory. E_NOMEM: two segments in a row take
 * more; E_DATA, E_IO, E_CREATE.
 */
int infer_pages_new(struct infer_pages **to, struct program *p,
		    struct pool *pool, uint64_t room) MUST_CHECK;
void infer_pages_free(struct infer_pages *g);   /* NULL is fine */

#endif
