#include "pager/tier.h"

#include "base/os.h"
#include "pager/tier_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

static int copy_pages(struct tier *t)
{
	size_t n = t->options.n;
	struct pager_page *pages = malloc((n + 1) * sizeof(*pages));

	if (pages && n)
		memcpy(pages, t->options.pages, n * sizeof(*pages));
	t->options.pages = pages;
	t->bytes = calloc(n + 1, sizeof(*t->bytes));
	t->page = calloc(n + 1, sizeof(*t->page));
	t->spare = calloc(n + 1, sizeof(struct device_region *));
	t->spare_bytes = calloc(n + 1, sizeof(*t->spare_bytes));
	if (!pages || !t->bytes || !t->page || !t->spare || !t->spare_bytes)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		t->page[i].tier = t;
		t->bytes[i] = pages[i].bytes;
	}
	return 0;
}

int tier_new(struct tier **to, const struct tier_options *options)
{
	struct tier *t = calloc(1, sizeof(*t));
	int err;

	*to = NULL;
	if (!t)
		return err_set(E_NOMEM, "out of memory");
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->wake, NULL);
	t->options = *options;
	t->device = options->device;
	err = copy_pages(t);
	if (err)
		tier_free(t);
	else
		*to = t;
	return err;
}

static void unpin(struct tier *t, size_t first, size_t end)
{
	for (size_t i = first; i < end; i++) {
		struct tier_page *p = &t->page[t->use[i].page];

		if (p->at)
			device_unpin(p->region);
		p->at = NULL;
	}
}

static size_t step_of(const struct tier *t)
{
	return (size_t)(t->done % t->nstep);
}

static void unpin_step(struct tier *t)
{
	size_t step = step_of(t);

	unpin(t, t->start[step], t->start[step + 1]);
}

void tier_free(struct tier *t)
{
	if (!t)
		return;
	if (t->open && t->device)
		unpin_step(t);
	else if (t->open)
		pager_end(t->options.host);
	tier_stop(t);
	if (t->page)
		tier_clear(t);
	moves_release(&t->moves);
	pages_free(t->pages);
	pthread_cond_destroy(&t->wake);
	pthread_mutex_destroy(&t->lock);
	free((void *)t->options.pages);
	free(t->bytes);
	free(t->page);
	free(t->spare);
	free(t->spare_bytes);
	free(t->use);
	free(t->start);
	free(t->host_start);
	free(t);
}

/* ---- the plan ---- */

static int copy_plan(struct tier *t, const struct page_plan *plan)
{
	size_t n = plan->start[plan->nstep];
	struct page_use *use = malloc((n + 1) * sizeof(*use));
	size_t *start = malloc((plan->nstep + 1) * sizeof(*start));

	if (!use || !start) {
		free(use);
		free(start);
		return err_set(E_NOMEM, "out of memory");
	}
	free(t->use);
	free(t->start);
	t->use = use;
	t->start = start;
	t->nstep = plan->nstep;
	t->repeat = plan->repeat;
	t->done = 0;
	if (n)
		memcpy(use, plan->use, n * sizeof(*use));
	memcpy(start, plan->start, (plan->nstep + 1) * sizeof(*start));
	return 0;
}

/* The device's schedule, from nothing. *unfit: a step is too large for it. */
static int new_schedule(struct tier *t, const struct page_plan *plan,
			int *unfit)
{
	struct device_stat s = device_stat(t->device);
	size_t room = s.budget - s.used, least;

	*unfit = 1;
	TRY(device_check(t->device));
	pages_free(t->pages);
	t->pages = NULL;
	moves_release(&t->moves);
	t->taken = 0;
	*unfit = 0;
	TRY(pages_new(&t->pages, t->bytes, t->options.n, room));
	least = pages_least(t->pages, plan);
	*unfit = least > room;
	if (*unfit)
		return err_set(E_NOMEM, "the pages of a step take %zu bytes "
			       "and the device has %zu", least, room);
	TRY(moves_init(&t->moves, t->bytes, t->options.n, room, plan));
	TRY(pages_plan(t->pages, plan));
	TRY(tier_plan_host(t));
	return tier_start(t);
}

static int new_plan(struct tier *t, const struct page_plan *plan)
{
	int err, unfit;

	TRY(tier_stop(t));
	if (t->device)
		TRY(tier_flush(t, 1));
	tier_clear(t);
	TRY(copy_plan(t, plan));
	if (!t->device)
		return pager_plan(t->options.host, plan);
	err = new_schedule(t, plan, &unfit);
	return err && unfit ? tier_to_host(t) : err;
}

/* Keeps an error: it is the end. */
static int keep(struct tier *t, int err)
{
	if (!err || t->failed)
		return err;
	t->failed = err;
	snprintf(t->why, sizeof(t->why), "%s", err_text());
	return err;
}

static int has_failed(const struct tier *t)
{
	return t->failed ? err_set(t->failed, "%s", t->why) : 0;
}

int tier_plan(struct tier *t, const struct page_plan *plan)
{
	TRY(has_failed(t));
	return keep(t, new_plan(t, plan));
}

/* ---- steps ---- */

/* Gives the step's pages their addresses; locked. */
static int pin_step(struct tier *t)
{
	size_t first = t->start[step_of(t)], end = t->start[step_of(t) + 1];

	for (size_t i = first; i < end; i++) {
		struct tier_page *p = &t->page[t->use[i].page];
		int write = t->use[i].how & (PAGE_WRITE | PAGE_NEW);
		int err = device_pin(p->region, write ? DEVICE_WRITE :
				     DEVICE_READ, &p->at);

		if (err) {
			unpin(t, first, i);
			return err;
		}
	}
	return 0;
}

/* *unfit: the device is to blame. */
static int begin_on_device(struct tier *t, int *unfit)
{
	size_t page;
	int err;

	tier_lock(t);
	err = pages_begin(t->pages);
	if (err) {
		tier_unlock(t);
		return err;
	}
	pthread_cond_broadcast(&t->wake);
	while (!t->err && !pages_ready(t->pages, &page))
		pthread_cond_wait(&t->wake, &t->lock);
	if (t->err) {
		err = err_set(t->err, "%s", t->message);
		*unfit = t->unfit;
	} else {
		err = pin_step(t);
		*unfit = err == E_UNAVAIL;
	}
	tier_unlock(t);
	return err;
}

static int begin_step(struct tier *t)
{
	if (t->device) {
		int unfit = 0, err = begin_on_device(t, &unfit);

		if (!err || !unfit)
			return err;
		TRY(tier_to_host(t));
	}
	return pager_begin(t->options.host);
}

int tier_begin(struct tier *t)
{
	double start = os_seconds();
	int err = has_failed(t);

	if (err)
		return err;
	err = begin_step(t);
	t->stats.stalled += os_seconds() - start;
	t->open = !err;
	return err == E_BUG ? err : keep(t, err);
}

/* What the step has done to its pages; locked. */
static void note_changes(struct tier *t)
{
	size_t step = step_of(t);

	for (size_t i = t->start[step]; i < t->start[step + 1]; i++) {
		struct tier_page *p = &t->page[t->use[i].page];

		if (t->use[i].how & PAGE_LAST)
			p->changed = 0;
		else if (t->use[i].how & (PAGE_WRITE | PAGE_NEW))
			p->changed = 1;
	}
}

void tier_end(struct tier *t)
{
	if (t->device) {
		unpin_step(t);
		tier_lock(t);
		pages_end(t->pages);
		note_changes(t);
		t->done++;
		pthread_cond_broadcast(&t->wake);
		tier_unlock(t);
	} else {
		pager_end(t->options.host);
		t->done++;
	}
	t->open = 0;
	t->stats.steps++;
}

void *tier_at(const struct tier *t, size_t page)
{
	return t->device ? t->page[page].at : t->options.pages[page].at;
}

struct device *tier_device(const struct tier *t)
{
	return t->device;
}

const char *tier_warning(struct tier *t)
{
	if (!*t->warning || t->warned)
		return NULL;
	t->warned = 1;
	return t->warning;
}

void tier_statistics(struct tier *t, struct tier_stats *s)
{
	tier_lock(t);
	*s = t->stats;
	tier_unlock(t);
}
