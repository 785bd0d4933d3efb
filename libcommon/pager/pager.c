/*
 * Two threads meet here. The caller's posts one order at a time and waits for
 * its answer; the loop's thread alone touches the schedule and the pages'
 * memory. An order to begin is answered when the step's pages are there; the
 * others at once.
 */
#include "pager/pager.h"

#include "base/os.h"
#include "base/size.h"
#include "pager/space.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
	int ended;                      /* the step that was open */
	int answer;
	char answer_text[MESSAGE];
};

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

static void go_on(struct pager *p);

static void way_done(uv_work_t *work, int status)
{
	struct way *w = work->data;

	(void)status; /* nobody cancels */
	uv_mutex_lock(&w->pager->lock);
	way_end(w);
	go_on(w->pager);
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

static void move(struct pager *p, enum page_move how, size_t page)
{
	const struct pager_page *at = &p->page[page];
	int err = 0;

	if (how == MOVE_LOAD || how == MOVE_NEW)
		err = space_take(at->at, at->bytes);
	else if (how == MOVE_DROP)
		err = space_drop(at->at, at->bytes);
	if (err)
		fail(p, err, err_text());
	if (how == MOVE_LOAD && err)
		pages_done(p->pages, page, err);
	else if (how == MOVE_LOAD || how == MOVE_STORE)
		queue(p, page, how == MOVE_STORE);
	if (pages_used(p->pages) > p->stats.peak)
		p->stats.peak = pages_used(p->pages);
}

static void make_moves(struct pager *p)
{
	enum page_move how;
	size_t page;

	while (!p->err &&
	       (how = pages_next(p->pages, &page)) != MOVE_NONE)
		move(p, how, page);
	start_pieces(p);
}

/* ---- orders ---- */

static void answer(struct pager *p, int code)
{
	p->order = ORDER_NONE;
	p->answer = code;
	if (code)
		snprintf(p->answer_text, sizeof(p->answer_text), "%s",
			 p->err ? p->message : err_text());
	uv_cond_signal(&p->answered);
}

/* Hears an order. Only one to begin takes effect before it can be answered. */
static void hear(struct pager *p)
{
	int err;

	if (p->ended)
		pages_end(p->pages);
	p->ended = 0;
	if (p->order == ORDER_BEGIN) {
		err = pages_begin(p->pages);
		if (err)
			answer(p, err);
	} else if (p->order != ORDER_NONE) {
		pages_pause(p->pages);
	}
}

static void obey_begin(struct pager *p)
{
	size_t page;

	if (p->err) {
		pages_end(p->pages);
		answer(p, p->err);
	} else if (pages_ready(p->pages, &page)) {
		answer(p, 0);
	}
}

/* Does and answers the order in hand, if it is time. */
static void obey(struct pager *p)
{
	if (p->order == ORDER_BEGIN) {
		obey_begin(p);
	} else if (p->order != ORDER_NONE && pages_idle(p->pages)) {
		if (p->order == ORDER_QUIT)
			uv_close((uv_handle_t *)&p->wake, NULL);
		else if (!p->err)
			p->err = pages_plan(p->pages, p->plan);
		answer(p, p->order == ORDER_QUIT ? 0 : p->err);
	}
}

/* All that can be done now. Locked. */
static void go_on(struct pager *p)
{
	make_moves(p);
	obey(p);
	make_moves(p); /* of a plan that is new */
}

static void on_wake(uv_async_t *wake)
{
	struct pager *p = wake->data;

	uv_mutex_lock(&p->lock);
	hear(p);
	go_on(p);
	uv_mutex_unlock(&p->lock);
}

static void run(void *arg)
{
	struct pager *p = arg;

	(void)uv_run(&p->loop, UV_RUN_DEFAULT);
}

/* Posts an order and waits for its answer. */
static int ask(struct pager *p, enum order order)
{
	int code;

	uv_mutex_lock(&p->lock);
	p->order = order;
	uv_async_send(&p->wake);
	while (p->order != ORDER_NONE)
		uv_cond_wait(&p->answered, &p->lock);
	code = p->answer;
	if (code)
		err_set(code, "%s", p->answer_text);
	uv_mutex_unlock(&p->lock);
	return code;
}

int pager_plan(struct pager *p, const struct page_plan *plan)
{
	p->plan = plan;
	return ask(p, ORDER_PLAN);
}

int pager_begin(struct pager *p)
{
	double start = os_seconds();
	int err = ask(p, ORDER_BEGIN);

	p->stalled += os_seconds() - start;
	p->open = !err;
	return err;
}

void pager_end(struct pager *p)
{
	p->open = 0;
	p->steps++;
	uv_mutex_lock(&p->lock);
	p->ended = 1;
	uv_async_send(&p->wake);
	uv_mutex_unlock(&p->lock);
}

void pager_statistics(struct pager *p, struct pager_stats *s)
{
	uv_mutex_lock(&p->lock);
	*s = p->stats;
	uv_mutex_unlock(&p->lock);
	s->stalled = p->stalled;
	s->steps = p->steps;
}

/* ---- life ---- */

static size_t scratch_of(const struct pager_page *pages, size_t n)
{
	size_t most = 0;

	for (size_t i = 0; i < n; i++)
		most = size_max(most, pages[i].backing->scratch);
	return size_align(most, SPACE_PAGE);
}

size_t pager_bytes(const struct pager_page *pages, size_t n)
{
	return PAGER_WAYS * scratch_of(pages, n) +
	       n * (sizeof(struct pager_page) + sizeof(struct transfer) + 128);
}

static int make_pages(struct pager *p, size_t capacity)
{
	size_t *bytes = calloc(p->npage + 1, sizeof(*bytes));
	int err;

	if (!bytes)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < p->npage; i++)
		bytes[i] = p->page[i].bytes;
	err = pages_new(&p->pages, bytes, p->npage, capacity);
	free(bytes);
	return err;
}

static int make_ways(struct pager *p)
{
	size_t bytes = scratch_of(p->page, p->npage);

	for (size_t i = 0; i < PAGER_WAYS; i++) {
		struct way *w = &p->way[i];

		w->pager = p;
		w->work.data = w;
		if (!bytes)
			continue;
		w->scratch = aligned_alloc(SPACE_PAGE, bytes);
		if (!w->scratch)
			return err_set(E_NOMEM, "out of memory");
	}
	return 0;
}

static int unavailable(int err)
{
	return err_set(E_UNAVAIL, "no loop for pages: %s", uv_strerror(err));
}

static int make_loop(struct pager *p)
{
	int err = uv_loop_init(&p->loop);

	if (err)
		return unavailable(err);
	err = uv_async_init(&p->loop, &p->wake, on_wake);
	p->wake.data = p;
	if (!err)
		err = uv_mutex_init(&p->lock);
	if (!err)
		err = uv_cond_init(&p->answered);
	if (!err)
		err = uv_thread_create(&p->thread, run, p);
	p->running = !err;
	return err ? unavailable(err) : 0;
}

static int make(struct pager *p, const struct pager_page *pages, size_t n,
		size_t capacity)
{
	p->page = malloc((n + 1) * sizeof(*p->page));
	p->transfer = calloc(n + 1, sizeof(*p->transfer));
	if (!p->page || !p->transfer)
		return err_set(E_NOMEM, "out of memory");
	if (n)
		memcpy(p->page, pages, n * sizeof(*pages));
	p->npage = n;
	p->last = &p->first;
	TRY(make_pages(p, capacity));
	TRY(make_ways(p));
	return make_loop(p);
}

int pager_new(struct pager **to, const struct pager_page *pages, size_t n,
	      size_t capacity)
{
	struct pager *p = calloc(1, sizeof(*p));
	int err;

	*to = NULL;
	if (!p)
		return err_set(E_NOMEM, "out of memory");
	err = make(p, pages, n, capacity);
	if (err)
		pager_free(p);
	else
		*to = p;
	return err;
}

void pager_free(struct pager *p)
{
	if (!p)
		return;
	if (p->running) {
		if (p->open)
			pager_end(p);
		(void)ask(p, ORDER_QUIT);
		uv_thread_join(&p->thread);
		(void)uv_loop_close(&p->loop);
		uv_mutex_destroy(&p->lock);
		uv_cond_destroy(&p->answered);
	}
	for (size_t i = 0; i < PAGER_WAYS; i++)
		free(p->way[i].scratch);
	pages_free(p->pages);
	free(p->transfer);
	free(p->page);
	free(p);
}
