/*
 * Two threads meet here. The caller's posts one order at a time and waits for
 * its answer; the loop's thread alone touches the pages and their memory. An
 * order to begin is answered when the step's pages are there; the others when
 * nothing is under way.
 */
#include "pager/pager_parts.h"

#include "base/os.h"
#include "base/size.h"
#include "pager/space.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Hears what was posted, once. Only an order to begin takes effect before it
 * can be answered. */
static void hear(struct pager *p)
{
	int err;

	if (p->ended)
		pages_end(p->pages);
	p->ended = 0;
	if (!p->posted)
		return;
	p->posted = 0;
	if (p->order == ORDER_BEGIN) {
		err = pages_begin(p->pages);
		if (err)
			answer(p, err);
	} else {
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
	} else if (p->order == ORDER_QUIT && pages_idle(p->pages)) {
		uv_close((uv_handle_t *)&p->wake, NULL);
		answer(p, 0);
	} else if (p->order != ORDER_NONE && pages_idle(p->pages)) {
		if (!p->err && (p->err = pages_plan(p->pages, p->plan)))
			snprintf(p->message, sizeof(p->message), "%s",
				 err_text());
		answer(p, p->err);
	}
}

/* All that can be done now. Locked. */
void pager_go_on(struct pager *p)
{
	hear(p);
	pager_moves(p);
	obey(p);
	pager_moves(p); /* of a plan that is new */
}

static void on_wake(uv_async_t *wake)
{
	struct pager *p = wake->data;

	uv_mutex_lock(&p->lock);
	pager_go_on(p);
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
	p->posted = 1;
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

/* ---- pages ---- */

size_t pager_page_of(const struct pager_page *pages, size_t n, const void *at)
{
	size_t i = 0;

	while (i < n && pages[i].at != at)
		i++;
	return i;
}

uint64_t pager_page_bytes(const struct pager_page *pages, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += pages[i].bytes;
	return sum;
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
	p->capacity = capacity;
	if (!p->page || !p->transfer)
		return err_set(E_NOMEM, "out of memory");
	if (n)
		memcpy(p->page, pages, n * sizeof(*pages));
	p->npage = n;
	p->last = &p->first;
	TRY(spares_init(&p->spare, p->page, n));
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

/* The memory of all pages, to where each came from. */
static void give_back(struct pager *p)
{
	const struct page_time never = { 0, UINT64_MAX };

	for (size_t i = 0; p->pages && i < p->npage; i++) {
		const struct pager_page *at = &p->page[i];
		const struct pager_backing *b = at->backing;
		int err = b->drop ? b->drop(b->ctx, at->id, at->at, at->bytes,
					    never) :
				    space_drop(at->at, at->bytes);

		if (err)
			return; /* nothing more can be done for it */
	}
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
	give_back(p);
	for (size_t i = 0; i < PAGER_WAYS; i++)
		free(p->way[i].scratch);
	pages_free(p->pages);
	free(p->transfer);
	spares_release(&p->spare);
	free(p->page);
	free(p);
}
