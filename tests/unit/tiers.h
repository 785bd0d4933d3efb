/*
 * What tests of a tier share: random plans over pages whose bytes tell what
 * was done to them, a disk of memory below the host's pager, and the same
 * plan on plain memory to compare with.
 */
#ifndef TESTS_UNIT_TIERS_H
#define TESTS_UNIT_TIERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dice.h"
#include "base/size.h"
#include "device/device_emu.h"
#include "pager/space.h"
#include "pager/tier.h"

#ifdef WITH_CUDA
#include <cuda_runtime_api.h>
#endif

enum {
	MOST = 10,              /* pages */
	STEPS = 16,             /* of a plan */
	LARGEST = 3,            /* page: in units */
	UNIT = 4096,
};

/* ---- a plan ---- */

struct made {
	size_t npage, units[MOST];
	struct page_use use[(STEPS + 1) * MOST];
	size_t start[STEPS + 2];
	struct page_plan plan;
	size_t step, largest, least;    /* bytes: of a step, of a page; of
					 * either */
	int writes;
};

static inline unsigned make_use(struct dice *d, int writes, int *blank)
{
	unsigned how = PAGE_READ;

	if (*blank)
		how = PAGE_NEW;
	else if (writes && roll(d, 3) == 0)
		how = roll(d, 2) ? PAGE_WRITE : PAGE_NEW;
	*blank = 0;
	if (writes && roll(d, 6) == 0) {
		how |= PAGE_LAST;
		*blank = 1;
	}
	return how;
}

static inline void make_step(struct made *m, struct dice *d, size_t most,
			     size_t step, int blank[])
{
	size_t n = 1 + roll(d, most), at = m->start[step];

	for (size_t i = 0; i < m->npage && n; i++)
		if (roll(d, m->npage - i) < n) {
			m->use[at++] = (struct page_use){
				(uint32_t)i, make_use(d, m->writes, &blank[i]),
			};
			n--;
		}
	m->start[step + 1] = at;
}

/* What nobody has written since its last reader is written at the end, alone
 * or with others, so that the plan can be repeated. */
static inline void make_whole(struct made *m, size_t step, const int blank[])
{
	size_t at = m->start[step];

	for (size_t i = 0; i < m->npage; i++)
		if (blank[i])
			m->use[at++] = (struct page_use){ (uint32_t)i,
							  PAGE_NEW };
	m->start[step + 1] = at;
	m->plan.nstep = step + (at > m->start[step]);
}

static inline void measure(struct made *m)
{
	for (size_t s = 0; s < m->plan.nstep; s++) {
		size_t sum = 0;

		for (size_t i = m->start[s]; i < m->start[s + 1]; i++)
			sum += m->units[m->use[i].page] * UNIT;
		m->step = size_max(m->step, sum);
	}
	for (size_t i = 0; i < m->npage; i++)
		m->largest = size_max(m->largest, m->units[i] * UNIT);
	m->least = size_max(m->step, m->largest);
}

static inline void make(struct made *m, struct dice *d, int writes)
{
	int blank[MOST] = { 0 };
	size_t steps = 1 + roll(d, STEPS), most;

	memset(m, 0, sizeof(*m));
	m->writes = writes;
	m->npage = 2 + roll(d, MOST - 1);
	most = 1 + roll(d, size_min(m->npage, 4));
	for (size_t i = 0; i < m->npage; i++)
		m->units[i] = 1 + roll(d, LARGEST);
	for (size_t s = 0; s < steps; s++)
		make_step(m, d, most, s, blank);
	make_whole(m, steps, blank);
	m->plan.use = m->use;
	m->plan.start = m->start;
	m->plan.repeat = (int)roll(d, 2);
	measure(m);
}

/* ---- the disk ---- */

struct world {
	unsigned char disk[MOST][LARGEST * UNIT];
	unsigned char want[MOST][LARGEST * UNIT];
	struct made made;
	struct pager_backing backing;
	struct pager_page page[MOST];
	struct space space;
	struct pager *host;
	struct device *device;
	struct tier *tier;
	size_t host_budget, device_budget;
	int emu;
	uint64_t steps;                 /* done */
	uint64_t lie, full;             /* a load and a store that fail */
	uint64_t loads, stores;
};

static inline int disk_load(void *ctx, size_t id, size_t i, void *at,
			    void *scratch)
{
	struct world *w = ctx;
	size_t nth = __atomic_add_fetch(&w->loads, 1, __ATOMIC_SEQ_CST);

	(void)scratch;
	if (nth == w->lie)
		return err_set(E_DATA, "page %zu is damaged", id);
	memcpy((char *)at + i * UNIT, w->disk[id] + i * UNIT, UNIT);
	return 0;
}

static inline int disk_store(void *ctx, size_t id, size_t i, const void *at)
{
	struct world *w = ctx;
	size_t nth = __atomic_add_fetch(&w->stores, 1, __ATOMIC_SEQ_CST);

	if (nth == w->full)
		return err_set(E_IO, "page %zu is not stored", id);
	memcpy(w->disk[id] + i * UNIT, (const char *)at + i * UNIT, UNIT);
	return 0;
}

static inline void world_host(struct world *w)
{
	size_t sum = 0;

	w->backing = (struct pager_backing){ .ctx = w, .load = disk_load,
					     .store = disk_store };
	assert_int_equal(space_init(&w->space, MOST * LARGEST * UNIT), 0);
	for (size_t i = 0; i < w->made.npage; i++) {
		size_t n = w->made.units[i];

		w->page[i] = (struct pager_page){
			.at = w->space.at + sum, .bytes = n * UNIT,
			.backing = &w->backing, .id = i, .npiece = n,
		};
		sum += n * UNIT;
		for (size_t k = 0; k < n * UNIT; k++)
			w->disk[i][k] = (unsigned char)(i * 31 + k * 7);
		memcpy(w->want[i], w->disk[i], n * UNIT);
	}
	assert_int_equal(pager_new(&w->host, w->page, w->made.npage,
				   w->host_budget), 0);
}

/* The world of a plan (made before). 0: the kind has no device here. */
static inline int world_open(struct world *w, const struct device_kind *kind,
			     const struct device_emu_options *emu)
{
	struct device_options o = { .budget = w->device_budget, .emu = emu };
	struct tier_options t = { .pages = w->page, .n = w->made.npage,
				  .capacity = w->host_budget };

	if (kind && device_open(&w->device, kind, &o)) {
		print_message("# %s\n", err_text());
		return 0;
	}
	world_host(w);
	t.device = w->device;
	t.host = w->host;
	assert_int_equal(tier_new(&w->tier, &t), 0);
	return 1;
}

static inline void world_close(struct world *w)
{
	struct pager_stats s;

	tier_free(w->tier);
	if (w->device) {
		assert_true(device_stat(w->device).peak <= w->device_budget);
		assert_int_equal(device_stat(w->device).used, 0);
		device_close(w->device);
	}
	pager_statistics(w->host, &s);
	assert_true(s.peak <= w->host_budget);
	pager_free(w->host);
	space_release(&w->space);
}

/* ---- computing ---- */

/* One page of a step: what is read makes the sum, what is written depends on
 * it and on the step. */
static inline uint64_t compute(unsigned char *at, size_t n, unsigned how,
			       uint64_t step, uint64_t sum)
{
	if (!(how & PAGE_NEW))
		for (size_t i = 0; i < n; i++)
			sum = (sum ^ at[i]) * 0x100000001b3u;
	for (size_t i = 0; how & (PAGE_WRITE | PAGE_NEW) && i < n; i++)
		at[i] = (unsigned char)((how & PAGE_NEW ? 0 : at[i]) + sum +
					step * 13 + i * 5);
	return sum;
}

/* The same on memory that only a device can touch. */
static inline uint64_t compute_there(void *at, size_t n, unsigned how,
				     uint64_t step, uint64_t sum)
{
#ifdef WITH_CUDA
	static unsigned char here[LARGEST * UNIT];

	assert_int_equal(cudaMemcpy(here, at, n, cudaMemcpyDefault), 0);
	sum = compute(here, n, how, step, sum);
	if (how & (PAGE_WRITE | PAGE_NEW))
		assert_int_equal(cudaMemcpy(at, here, n, cudaMemcpyDefault),
				 0);
	return sum;
#else
	return compute(at, n, how, step, sum);
#endif
}

/* A step on the tier and on plain memory; the sums must agree. */
static inline void compute_step(struct world *w, const struct page_plan *p,
				size_t step, const struct device_kind *kind)
{
	int there = tier_device(w->tier) && !device_host_access(kind);
	uint64_t sum = 1, want = 1;

	for (size_t i = p->start[step]; i < p->start[step + 1]; i++) {
		size_t id = p->use[i].page, n = w->page[id].bytes;
		unsigned how = p->use[i].how;
		void *at = tier_at(w->tier, id);

		sum = there ? compute_there(at, n, how, w->steps, sum) :
			      compute(at, n, how, w->steps, sum);
		want = compute(w->want[id], n, how, w->steps, want);
	}
	if (sum != want)
		fail_msg("step %zu (%zu) has other bytes", (size_t)w->steps,
			 step);
	w->steps++;
}

/* Runs the plan for so many steps, or to its end. The first error. */
static inline int run_plan(struct world *w, const struct page_plan *plan,
			   size_t steps, const struct device_kind *kind)
{
	TRY(tier_plan(w->tier, plan));
	for (size_t i = 0; i < steps && (plan->repeat || i < plan->nstep);
	     i++) {
		TRY(tier_begin(w->tier));
		compute_step(w, plan, i % plan->nstep, kind);
		tier_end(w->tier);
	}
	return 0;
}

/* Will the plan, left before this step, write the page anew before it reads
 * it? Then what it holds counts no more. */
static inline int is_void(const struct page_plan *p, size_t page, size_t from)
{
	size_t n = p->repeat ? p->nstep : p->nstep - from;

	for (size_t i = 0; i < n; i++) {
		size_t step = (from + i) % p->nstep;

		for (size_t k = p->start[step]; k < p->start[step + 1]; k++)
			if (p->use[k].page == page)
				return (p->use[k].how & PAGE_NEW) != 0;
	}
	return 0;
}

/* The pages, one after the other, have the bytes that they should after the
 * steps that were done of the plan. */
static inline int run_check(struct world *w, const struct device_kind *kind)
{
	size_t from = w->made.plan.repeat ? w->steps % w->made.plan.nstep :
					    w->steps;
	struct page_use use[MOST];
	size_t start[MOST + 1], n = 0;
	struct page_plan plan = { use, start, 0, 0 };

	for (size_t i = 0; i < w->made.npage; i++)
		if (!is_void(&w->made.plan, i, from)) {
			use[n] = (struct page_use){ (uint32_t)i, PAGE_READ };
			start[n] = n;
			n++;
		}
	start[n] = n;
	plan.nstep = n;
	return n ? run_plan(w, &plan, n, kind) : 0;
}

/* ---- at random ---- */

/* Budgets that hold a step, and a little more or a lot. */
static inline size_t budget(struct dice *d, size_t least)
{
	return least + roll(d, 4) * UNIT * (roll(d, 2) ? 1 : 8);
}

static inline struct world *fresh(struct dice *d, int writes)
{
	static struct world world;

	memset(&world, 0, sizeof(world));
	make(&world.made, d, writes);
	world.device_budget = budget(d, world.made.least);
	world.host_budget = budget(d, world.made.largest);
	return &world;
}

/* Steps to take: the plan is left anywhere. */
static inline size_t laps(const struct world *w, struct dice *d)
{
	size_t n = w->made.plan.nstep;

	return roll(d, w->made.plan.repeat ? 5 * n : n) + 1;
}

#endif
