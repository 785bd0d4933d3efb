/* pager_moves - the loop's thread at work: memory, and pieces of pages */
#include "pager/pager_parts.h"

#include "base/size.h"

#include <stdio.h>
#include <string.h>

/* ---- pieces, on libuv's pool ---- */

static void way_run(uv_work_t *work)
{
	struct way *w = work->data;
	const struct pager_page *p = &w->pager->page[w->page];
	const struct pager_backing *b = p->backing;

	w->err = w->store ? b->store(b->ctx, p->id, w->piece, p->at) :
			    b->load(b->ctx, p->id, w->piece, p->at,
				    w->scratch);
	if (w->err)
		snprintf(w->message, sizeof(w->message), "%s", err_text());
}

static void fail(struct pager *p, int err, const char *message)
{
	if (p->err)
		return;
	p->err = err;
	snprintf(p->message, sizeof(p->message), "%s", message);
}

static void count(struct pager *p, const struct transfer *t)
{
	size_t bytes = p->page[t->page].bytes;

	if (t->store) {
		p->stats.stores++;
		p->stats.written += bytes;
	} else {
		p->stats.loads++;
		p->stats.read += bytes;
	}
}

static void way_end(struct way *w)
{
	struct pager *p = w->pager;
	struct transfer *t = &p->transfer[w->page];

	w->busy = 0;
	if (w->err) {
		t->err = w->err;
		fail(p, w->err, w->message);
	}
	if (++t->ended == p->page[t->page].npiece) {
		count(p, t);
		pages_done(p->pages, t->page, t->err);
	}
}

static void way_done(uv_work_t *work, int status)
{
	struct way *w = work->data;

	(void)status; /* nobody cancels */
	uv_mutex_lock(&w->pager->lock);
	way_end(w);
	pager_go_on(w->pager);
	uv_mutex_unlock(&w->pager->lock);
}

static struct way *free_way(struct pager *p)
{
	for (size_t i = 0; i < PAGER_WAYS; i++)
		if (!p->way[i].busy)
			return &p->way[i];
	return NULL;
}

static void start_piece(struct pager *p, struct way *w)
{
	struct transfer *t = p->first;
	int err;

	w->busy = 1;
	w->store = t->store;
	w->page = t->page;
	w->piece = t->started++;
	if (t->started == p->page[t->page].npiece) {
		p->first = t->next;
		if (!p->first)
			p->last = &p->first;
	}
	err = uv_queue_work(&p->loop, &w->work, way_run, way_done);
	if (!err)
		return;
	w->err = E_UNAVAIL;
	snprintf(w->message, sizeof(w->message), "%s", uv_strerror(err));
	way_end(w);
}

static void start_pieces(struct pager *p)
{
	struct way *w;

	while (p->first && (w = free_way(p)))
		start_piece(p, w);
}

/* ---- moves ---- */

static void queue(struct pager *p, size_t page, int store)
{
	struct transfer *t = &p->transfer[page];

	*t = (struct transfer){ .page = page, .store = store };
	*p->last = t;
	p->last = &t->next;
}

/* ---- memory ---- */

/* What is not in use may be spare. */
static int take(struct pager *p, size_t page)
{
	size_t most = p->capacity - size_min(p->capacity, pages_used(p->pages));

	if (p->page[page].backing->drop) /* load() sees to it */
		return spares_limit(&p->spare, most);
	return spares_take(&p->spare, page, most);
}

static int drop(struct pager *p, size_t page)
{
	const struct pager_page *at = &p->page[page];
	const struct pager_backing *b = at->backing;

	if (b->drop)
		return b->drop(b->ctx, at->id, at->at, at->bytes,
			       pages_time(p->pages, page));
	spares_add(&p->spare, page);
	return 0;
}

static void move(struct pager *p, enum page_move how, size_t page)
{
	int err = 0;

	if (how == MOVE_LOAD || how == MOVE_NEW)
		err = take(p, page);
	else if (how == MOVE_DROP)
		err = drop(p, page);
	if (err)
		fail(p, err, err_text());
	if (how == MOVE_LOAD && err)
		pages_done(p->pages, page, err);
	else if (how == MOVE_LOAD || how == MOVE_STORE)
		queue(p, page, how == MOVE_STORE);
	if (pages_used(p->pages) > p->stats.peak)
		p->stats.peak = pages_used(p->pages);
}

void pager_moves(struct pager *p)
{
	enum page_move how;
	size_t page;

	while (!p->err &&
	       (how = pages_next(p->pages, &page)) != MOVE_NONE)
		move(p, how, page);
	start_pieces(p);
}
