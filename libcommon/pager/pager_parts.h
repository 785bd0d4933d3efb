/* pager_parts - what a pager is made of; for pager*.c only */
#ifndef PAGER_PAGER_PARTS_H
#define PAGER_PAGER_PARTS_H

#include "pager/pager.h"
#include "pager/spare.h"

#include <uv.h>

enum order { ORDER_NONE, ORDER_PLAN, ORDER_BEGIN, ORDER_END, ORDER_QUIT };

enum { MESSAGE = 900 };

/* A piece under way. */
struct way {
	struct pager *pager;
	uv_work_t work;
	int busy, store;
	size_t page, piece;
	void *scratch;
	int err;
	char message[MESSAGE];
};

/* A page on its way: pieces are started in order, and end in any. */
struct transfer {
	size_t page;
	size_t started, ended;
	int store, err;
	struct transfer *next;
};

struct pager {
	struct pager_page *page;
	size_t npage;
	struct pages *pages;
	struct pager_stats stats;
	struct transfer *transfer;      /* (npage) one for each page */
	struct transfer *first, **last; /* with pieces to start, in order */
	struct way way[PAGER_WAYS];
	size_t capacity;
	struct spares spare;            /* of pages that were dropped */
	int err;                        /* the first, and its message */
	char message[MESSAGE];
	int open;                       /* the caller's: a step is */
	uint64_t steps;
	double stalled;

	uv_loop_t loop;
	uv_async_t wake;
	uv_thread_t thread;
	int running;

	uv_mutex_t lock;
	uv_cond_t answered;
	enum order order;               /* guarded, with what follows */
	const struct page_plan *plan;
	int posted;                     /* the order has not been heard yet */
	int ended;                      /* the step that was open */
	int answer;
	char answer_text[MESSAGE];
};

/* All that can be started now. Locked, on the loop's thread. */
void pager_moves(struct pager *p);

/* When something ended: pager.c's. Locked, on the loop's thread. */
void pager_go_on(struct pager *p);

#endif
