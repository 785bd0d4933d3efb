/* From the device to the host: changed pages, and the whole plan. */
#include "pager/tier_parts.h"

#include <stdio.h>
#include <stdlib.h>

/* Will anybody read what the page holds now? Unless its next use writes it
 * anew; a page that this plan does not use again may be in another. */
static int is_needed(const struct tier *t, size_t page)
{
	for (size_t i = 0; i < t->nstep; i++) {
		uint64_t step = t->done + i;

		if (!t->repeat && step >= t->nstep)
			break;
		step %= t->nstep;
		for (size_t k = t->start[step]; k < t->start[step + 1]; k++)
			if (t->use[k].page == page)
				return !(t->use[k].how & PAGE_NEW);
	}
	return 1;
}

/* Is the device the only one that has these bytes? */
static int is_alone(const struct tier *t, size_t page)
{
	return t->page[page].region &&
	       (t->page[page].changed ||
		(tier_is_void(t, page) && pages_has(t->pages, page)));
}

/* The pages that only the device has, as a plan of the host: each alone. */
static size_t changed_pages(const struct tier *t, int all,
			    struct page_use *use, size_t *start)
{
	size_t n = 0;

	for (size_t i = 0; i < t->options.n; i++) {
		if (!is_alone(t, i) || (!all && !is_needed(t, i)))
			continue;
		start[n] = n;
		use[n++] = (struct page_use){ (uint32_t)i, PAGE_NEW };
	}
	start[n] = n;
	return n;
}

static int store_pages(struct tier *t, const struct page_plan *plan)
{
	TRY(pager_plan(t->options.host, plan));
	for (size_t i = 0; i < plan->nstep; i++) {
		int err;

		TRY(pager_begin(t->options.host));
		err = tier_store(t, plan->use[i].page);
		pager_end(t->options.host);
		TRY(err);
	}
	return 0;
}

int tier_flush(struct tier *t, int all)
{
	size_t n = t->options.n, *start = calloc(n + 1, sizeof(*start));
	struct page_use *use = calloc(n + 1, sizeof(*use));
	struct page_plan plan = { .use = use, .start = start };
	int err = 0;

	if (!use || !start)
		err = err_set(E_NOMEM, "out of memory");
	else
		plan.nstep = changed_pages(t, all, use, start);
	if (plan.nstep)
		err = device_check(t->device);
	if (plan.nstep && !err)
		err = store_pages(t, &plan);
	if (plan.nstep && device_check(t->device))
		err = err_at(E_UNAVAIL, "pages that were changed there are "
			     "gone");
	free(use);
	free(start);
	return err;
}

/* The plan from the step after `done` on, for the host. */
static int plan_rest(struct tier *t)
{
	size_t first = (size_t)(t->done % t->nstep);
	size_t nstep = t->repeat ? t->nstep : t->nstep - (size_t)t->done;
	size_t *start = malloc((nstep + 1) * sizeof(*start));
	struct page_use *use = malloc((t->start[t->nstep] + 1) *
				      sizeof(*use));
	struct page_plan plan = { use, start, nstep, t->repeat };
	size_t n = 0;
	int err;

	for (size_t i = 0; use && start && i < nstep; i++) {
		size_t step = (first + i) % t->nstep;

		start[i] = n;
		for (size_t k = t->start[step]; k < t->start[step + 1]; k++)
			use[n++] = t->use[k];
		start[i + 1] = n;
	}
	err = use && start ? pager_plan(t->options.host, &plan) :
			     err_set(E_NOMEM, "out of memory");
	free(use);
	free(start);
	return err;
}

int tier_to_host(struct tier *t)
{
	int err;

	snprintf(t->warning, sizeof(t->warning), "%s", err_text());
	TRY(tier_stop(t));
	err = tier_flush(t, 0);
	if (!err) {
		tier_clear(t);
		err = plan_rest(t);
	}
	t->device = NULL;
	/* What went wrong second is in err_text() already. */
	return err ? err_at(E_UNAVAIL, "%s", t->warning) : 0;
}
