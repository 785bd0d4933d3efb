#include "infer/infer_pages.h"

#include <stdlib.h>

#include "base/os.h"
#include "base/size.h"

struct infer_pages {
	struct program *program;
	struct pool *pool;
	const struct page_owner *owner;
	struct pager *pager;
	size_t segments;
	size_t open, next;              /* SIZE_MAX: none */
	struct page_use *use;
	size_t *start, room, n;
	char *refreshed;                /* (segments) */
};

uint64_t infer_pages_bytes(const struct program *p)
{
	const struct page_owner *o = program_base(p)->pages;

	return o ? pager_page_bytes(o->page, o->n) : 0;
}

uint64_t infer_pages_beside(struct program *const *p, size_t n)
{
	uint64_t used, here = 0, to_come = 0;

	os_memory_trim();
	used = os_memory_used();
	for (size_t i = 0; i < n; i++) {
		const struct page_owner *o = program_base(p[i])->pages;

		here += o ? o->here : 0;
		to_come = o && !o->paged ? PAGER_THREADS : to_come;
	}
	used -= here < used ? here : used;
	return size_mib(used + to_come) << 20;
}

/* ---- the plan: all segments in turn, from one of them on ---- */

static int add_page(void *ctx, const struct tensor *t)
{
	struct infer_pages *g = ctx;
	size_t i = pager_page_of(g->owner->page, g->owner->n,
				 t->part[0].data);
	size_t step = g->next;

	for (size_t k = g->start[step]; k < g->n; k++)
		if (g->use[k].page == i)
			return 0;
	if (i < g->owner->n)
		g->use[g->n++] = (struct page_use){ (uint32_t)i, PAGE_READ };
	return 0;
}

static int make_plan(struct infer_pages *g, size_t first,
		     struct page_plan *plan)
{
	g->n = 0;
	for (g->next = 0; g->next < g->segments; g->next++) {
		TRY(program_segment_tensors(g->program,
					    (first + g->next) % g->segments,
					    add_page, g));
		g->start[g->next + 1] = g->n;
	}
	*plan = (struct page_plan){ g->use, g->start, g->segments, 1 };
	g->next = first;
	return 0;
}

/* Passes begin at segment 0 and go through all; who does otherwise (a pass
 * whose logits nobody wants) begins anew. */
static int go_to(struct infer_pages *g, size_t segment)
{
	struct page_plan plan;

	if (g->open != SIZE_MAX)
		pager_end(g->pager);
	g->open = SIZE_MAX;
	if (g->next != segment) {
		TRY(make_plan(g, segment, &plan));
		TRY(pager_plan(g->pager, &plan));
	}
	TRY(pager_begin(g->pager));
	g->open = segment;
	g->next = (segment + 1) % g->segments;
	return 0;
}

static int use(void *ctx, size_t segment)
{
	struct infer_pages *g = ctx;

	if (g->open == segment)
		return 0;
	TRY(go_to(g, segment));
	if (g->refreshed[segment])
		return 0;
	g->refreshed[segment] = 1;
	return program_refresh_segment(g->program, segment, g->pool);
}

/* ---- life ---- */

static uint64_t two_segments(const struct infer_pages *g,
			     const struct page_plan *p)
{
	uint64_t least = 0;

	for (size_t i = 0; i + 1 < p->nstep; i++) {
		uint64_t sum = 0;

		for (size_t k = p->start[i]; k < p->start[i + 2]; k++)
			sum += g->owner->page[p->use[k].page].bytes;
		least = sum > least ? sum : least;
	}
	return least;
}

static int prepare(struct infer_pages *g, struct program *p, uint64_t *least)
{
	const struct page_owner *o = program_base(p)->pages;
	struct page_plan plan;

	g->program = p;
	g->owner = o;
	g->segments = program_segments(p);
	g->open = SIZE_MAX;
	g->use = calloc(g->segments * o->n + 1, sizeof(*g->use));
	g->start = calloc(g->segments + 1, sizeof(*g->start));
	g->refreshed = calloc(g->segments, 1);
	if (!g->use || !g->start || !g->refreshed)
		return err_set(E_NOMEM, "out of memory");
	TRY(make_plan(g, 0, &plan));
	*least = two_segments(g, &plan) + pager_bytes(o->page, o->n);
	return 0;
}

static void release(struct infer_pages *g)
{
	free(g->use);
	free(g->start);
	free(g->refreshed);
}

int infer_pages_least(uint64_t *least, struct program *p)
{
	struct infer_pages g = { 0 };
	uint64_t all = infer_pages_bytes(p);
	int err;

	*least = 0;
	if (!all)
		return 0;
	err = prepare(&g, p, least);
	if (*least > all)
		*least = all;
	release(&g);
	return err;
}

static int make(struct infer_pages *g, struct program *p, uint64_t room)
{
	const struct page_owner *o = program_base(p)->pages;
	size_t beside = pager_bytes(o->page, o->n);
	struct page_plan plan;
	uint64_t least;

	TRY(prepare(g, p, &least));
	if (room < least)
		return err_set(E_NOMEM, "two layers in a row take %llu MiB, "
			       "there are %llu for them",
			       (unsigned long long)(least >> 20) + 1,
			       (unsigned long long)(room >> 20));
	TRY(o->ready(o->ctx));
	TRY(pager_new(&g->pager, o->page, o->n, (size_t)(room - beside)));
	TRY(make_plan(g, 0, &plan));
	return pager_plan(g->pager, &plan);
}

static int hold(struct program *p, struct pool *pool)
{
	const struct page_owner *o = program_base(p)->pages;

	TRY(o->hold(o->ctx, pool));
	return program_refresh(p, pool);
}

int infer_pages_new(struct infer_pages **to, struct program *p,
		    struct pool *pool, uint64_t room)
{
	struct infer_pages *g;
	int err;

	*to = NULL;
	if (!program_base(p)->pages)
		return 0;
	if (infer_pages_bytes(p) <= room)
		return hold(p, pool);
	g = calloc(1, sizeof(*g));
	if (!g)
		return err_set(E_NOMEM, "out of memory");
	g->pool = pool;
	err = make(g, p, room);
	if (err) {
		infer_pages_free(g);
		return err;
	}
	program_page(p, use, g);
	*to = g;
	return 0;
}

void infer_pages_free(struct infer_pages *g)
{
	if (!g)
		return;
	program_page(g->program, NULL, NULL);
	pager_free(g->pager);
	release(g);
	free(g);
}
