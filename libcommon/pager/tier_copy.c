/*
 * The thread that copies. It goes through the host's plan, step by step: has
 * its pages brought in, makes the device's moves that they are for, waits
 * until their copies have ended, and lets the pages go. Moves that need
 * nothing of the host (a new page, a drop) are made as they come.
 *
 * The host's plan ends where the moves end that were played ahead, two times
 * through the tier's plan; after once through it is declared anew, so the host
 * too knows what it will need for at least that long.
 */
#include "pager/tier_parts.h"

#include "base/size.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- regions; locked ---- */

static void free_spares(struct tier *t)
{
	while (t->nspare)
		device_free(t->spare[--t->nspare]);
}

/* A region for a page: a dropped one of its size, or a new one. */
static int take_region(struct tier *t, size_t page)
{
	struct device_region **r = &t->page[page].region;
	size_t bytes = t->bytes[page];
	int err;

	for (size_t i = 0; i < t->nspare; i++)
		if (t->spare_bytes[i] == bytes) {
			*r = t->spare[i];
			t->nspare--;
			t->spare[i] = t->spare[t->nspare];
			t->spare_bytes[i] = t->spare_bytes[t->nspare];
			return 0;
		}
	err = device_alloc(t->device, r, bytes);
	if (err != E_NOMEM || !t->nspare)
		return err;
	free_spares(t);
	return device_alloc(t->device, r, bytes);
}

static void drop_region(struct tier *t, size_t page)
{
	t->spare[t->nspare] = t->page[page].region;
	t->spare_bytes[t->nspare++] = t->bytes[page];
	t->page[page].region = NULL;
	t->page[page].changed = 0;
}

void tier_clear(struct tier *t)
{
	for (size_t i = 0; i < t->options.n; i++) {
		if (t->page[i].region)
			drop_region(t, i);
		t->page[i].saved = 0;
	}
	free_spares(t);
}

/* ---- copies ---- */

static void copy_ended(void *ctx, int err)
{
	struct tier_page *p = ctx;

	tier_lock(p->tier);
	p->ended = 1;
	p->err = err;
	p->tier->flying--;
	pthread_cond_broadcast(&p->tier->wake);
	tier_unlock(p->tier);
}

/* Locked; unlocks for the call, from which done may come at once. */
static int start_copy(struct tier *t, size_t page)
{
	struct tier_page *p = &t->page[page];
	void *host = t->options.pages[page].at;
	size_t n = t->bytes[page];
	int err;

	p->ended = 0;
	t->flying++;
	tier_unlock(t);
	err = p->store ? device_d2h(&p->copy, p->region, 0, host, n,
				    copy_ended, p) :
			 device_h2d(&p->copy, p->region, 0, host, n,
				    copy_ended, p);
	tier_lock(t);
	if (err)
		t->flying--;
	return err;
}

/* What the end of a copy means: 0: it is done; -1: it was begun again. */
static int copy_result(struct tier *t, size_t page)
{
	struct tier_page *p = &t->page[page];

	p->ended = 0;
	if (!p->err)
		return 0;
	if (p->err == E_IO && !p->tries++) {
		TRY(start_copy(t, page));
		return -1;
	}
	TRY(device_check(t->device));
	return err_set(p->err, "a page of %zu bytes could not be copied %s "
		       "the device", t->bytes[page],
		       p->store ? "from" : "to");
}

static int begin_copy(struct tier *t, size_t page, int store)
{
	t->page[page].store = store;
	t->page[page].tries = 0;
	return start_copy(t, page);
}

/* Waits for the end of the one copy under way. */
static int await(struct tier *t, size_t page)
{
	int err;

	do {
		while (!t->page[page].ended)
			pthread_cond_wait(&t->wake, &t->lock);
		err = copy_result(t, page);
	} while (err < 0);
	return err;
}

int tier_store(struct tier *t, size_t page)
{
	int err;

	tier_lock(t);
	err = begin_copy(t, page, 1);
	if (!err)
		err = await(t, page);
	if (!err) {
		t->page[page].changed = 0;
		t->stats.stores++;
	}
	tier_unlock(t);
	return err;
}

/* ---- moves; locked ---- */

/* Makes the next move. *did: 0: there is none now; 1; 2: a copy, which is the
 * one that is wanted. */
static int next_move(struct tier *t, const struct page_use *want, int *did)
{
	size_t page;
	enum page_move how = pages_next(t->pages, &page);
	int store = how == MOVE_STORE;

	*did = how != MOVE_NONE;
	if (how == MOVE_DROP)
		drop_region(t, page);
	if (how == MOVE_NEW || how == MOVE_LOAD)
		TRY(take_region(t, page));
	if (how != MOVE_LOAD && how != MOVE_STORE)
		return 0;
	*did = 2;
	if (!want || want->page != page || (want->how == PAGE_NEW) != store)
		return err_set(E_BUG, "a move that the host does not expect");
	return begin_copy(t, page, store);
}

/* Takes note of copies that have ended. */
static int end_copies(struct tier *t, const struct page_use *use, size_t n,
		      size_t *ended)
{
	for (size_t i = 0; i < n; i++) {
		struct tier_page *p = &t->page[use[i].page];
		int err = p->ended ? copy_result(t, use[i].page) : -1;

		if (err > 0)
			return err;
		if (err < 0)
			continue;
		if (p->store) {
			p->changed = 0;
			t->stats.stores++;
		} else {
			t->stats.loads++;
		}
		pages_done(t->pages, use[i].page, 0);
		++*ended;
	}
	return 0;
}

/* Has one of the copies ended? The lock is given up while one is begun, and
 * then it may end at once. */
static int has_ended(const struct tier *t, const struct page_use *use,
		     size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (t->page[use[i].page].ended)
			return 1;
	return 0;
}

/* Is it time for a new plan of the host, or for none? */
static int is_over(const struct tier *t)
{
	return t->stop || (t->repeat && t->done >= t->planned + t->nstep);
}

/* Makes the moves that use (n) says, and others between them; with n = 0
 * those alone, until it is time. */
static int make_moves(struct tier *t, const struct page_use *use, size_t n)
{
	size_t begun = 0, ended = 0;
	int err = 0, did;

	while (!err && (n ? ended < n && !t->stop : !is_over(t))) {
		size_t before = ended;

		did = 0;
		if (begun < n || !n)
			err = next_move(t, n ? &use[begun] : NULL, &did);
		begun += did == 2;
		if (!err)
			err = end_copies(t, use, begun, &ended);
		/* The step may be ready, even if nothing was to do. */
		pthread_cond_broadcast(&t->wake);
		if (!err && !did && ended == before &&
		    !has_ended(t, use, begun))
			pthread_cond_wait(&t->wake, &t->lock);
	}
	while (t->flying)
		pthread_cond_wait(&t->wake, &t->lock);
	return err;
}

/* ---- the thread ---- */

static int over(struct tier *t)
{
	int is;

	tier_lock(t);
	is = is_over(t);
	tier_unlock(t);
	return is;
}

/* One step of the host's plan, or (n = 0) what is after its end. An error that
 * is the device's sets *unfit. */
static int copy_step(struct tier *t, const struct page_use *use, size_t n,
		     int *unfit)
{
	int err, stop, saved = 0;

	if (n)
		TRY(pager_begin(t->options.host));
	tier_lock(t);
	err = make_moves(t, use, n);
	stop = t->stop;
	tier_unlock(t);
	t->taken += n;
	*unfit = err == E_UNAVAIL || err == E_NOMEM;
	if (n && (err || stop))
		saved = tier_save(t, use, n);
	if (n)
		pager_end(t->options.host);
	*unfit &= !saved;
	return saved ? saved : err;
}

/* Goes through the host's plan. */
static int copy_steps(struct tier *t, int *unfit)
{
	for (size_t i = 0; i < t->host_steps && !over(t); i++) {
		size_t at = t->host_start[i];

		TRY(copy_step(t, t->moves.move + at,
			      t->host_start[i + 1] - at, unfit));
	}
	return copy_step(t, NULL, 0, unfit);
}

static int stopped(struct tier *t)
{
	int stop;

	tier_lock(t);
	stop = t->stop;
	tier_unlock(t);
	return stop;
}

static void *copy_all(void *arg)
{
	struct tier *t = arg;
	int unfit = 0, err = copy_steps(t, &unfit);

	while (!err && !stopped(t)) {
		err = tier_plan_host(t);
		if (!err)
			err = copy_steps(t, &unfit);
	}
	tier_lock(t);
	t->err = err;
	t->unfit = unfit;
	if (err)
		snprintf(t->message, sizeof(t->message), "%s", err_text());
	pthread_cond_broadcast(&t->wake);
	tier_unlock(t);
	return NULL;
}

int tier_start(struct tier *t)
{
	t->stop = t->err = t->unfit = 0;
	if (pthread_create(&t->thread, NULL, copy_all, t))
		return err_set(E_NOMEM, "cannot start a thread");
	t->running = 1;
	return 0;
}

int tier_stop(struct tier *t)
{
	if (t->running) {
		tier_lock(t);
		t->stop = 1;
		pthread_cond_broadcast(&t->wake);
		tier_unlock(t);
		pthread_join(t->thread, NULL);
		t->running = 0;
	}
	return t->err && !t->unfit ? err_set(t->err, "%s", t->message) : 0;
}
