/* paging_run - the parts of a step, their plan, and the visits */
#include "train/paging_parts.h"

/* ---- parts ---- */

void paging_clear(struct paging *g)
{
	g->nbatch = g->npart = 0;
}

int paging_full(const struct paging *g)
{
	return g->nbatch == g->batches;
}

void paging_add(struct paging *g, const struct batch *b)
{
	void *memory = g->columns + g->nbatch++ * pack_bytes(&g->most);
	struct batch copy = batch_copy(b, memory, &g->most);
	size_t next = 0;

	while (next < copy.nseq) {
		struct part *p = &g->part[g->npart];

		(void)batch_part(&p->batch, &copy, &next, g->tokens,
				 p->start);
		g->npart += p->batch.ntarget > 0;
	}
}

/* ---- the plan ---- */

/* The last visit of this run that the slot is carried in. */
static int is_last(const struct paging *g, size_t slot, size_t visit,
		   size_t visits)
{
	const struct program_carry *c;

	for (size_t v = visit + 1; v < visits; v++)
		for (size_t n = program_carries(g->program, v, &c); n-- > 0;)
			if (c[n].slot == slot)
				return 0;
	return 1;
}

static void add_visit(struct paging *g, size_t visit, size_t visits,
		      size_t part, size_t *n)
{
	size_t s = program_visit_segment(g->program, visit);
	const struct program_carry *c;
	size_t carries = program_carries(g->program, visit, &c);

	for (size_t i = g->segment[s]; i < g->segment[s + 1]; i++)
		g->use[(*n)++] = (struct page_use){ g->base_page[i],
						    PAGE_READ };
	for (size_t i = 0; i < carries; i++) {
		unsigned how = c[i].load ? PAGE_READ : PAGE_NEW;

		if (c[i].save)
			how |= PAGE_WRITE;
		if (is_last(g, c[i].slot, visit, visits))
			how |= PAGE_LAST;
		g->use[(*n)++] = (struct page_use){
			(uint32_t)paging_slot(g, part, c[i].slot), how,
		};
	}
}

static size_t visits_of(const struct paging *g, int train)
{
	return train ? program_visits(g->program) :
		       program_segments(g->program);
}

/* What happens with the states in a run's plan. */
enum way { WAY_DOWN, WAY_TRAIN, WAY_UPDATE, WAY_TOGETHER };

static enum way way_of(const struct paging *g, int train, int together)
{
	if (!train || g->first_state == SIZE_MAX)
		return train ? WAY_TRAIN : WAY_DOWN;
	return together ? WAY_TOGETHER : WAY_UPDATE;
}

static void add_state(struct paging *g, size_t segment, size_t *n)
{
	g->use[(*n)++] = (struct page_use){
		(uint32_t)(g->first_state + segment), PAGE_READ | PAGE_WRITE,
	};
}

/* Is a visit the one after which its segment's gradients are complete? */
static int completes(const struct paging *g, size_t visit, size_t part)
{
	return visit + 1 >= program_segments(g->program) &&
	       part + 1 == g->npart;
}

static size_t fill_plan(struct paging *g, enum way way)
{
	size_t visits = visits_of(g, way != WAY_DOWN), n = 0, step = 0;

	for (size_t v = 0; v < visits; v++)
		for (size_t k = 0; k < g->npart; k++) {
			add_visit(g, v, visits, k, &n);
			if (way == WAY_TOGETHER && completes(g, v, k))
				add_state(g, program_visit_segment(
						  g->program, v), &n);
			g->start[++step] = n;
		}
	for (size_t s = program_segments(g->program);
	     way == WAY_UPDATE && s-- > 0;) {
		add_state(g, s, &n);
		g->start[++step] = n;
	}
	return step;
}

/* Ends what paging_use_state() began. */
static void leave_state(struct paging *g)
{
	if (g->state_open)
		pager_end(g->pager);
	g->state_open = 0;
}

static int plan(struct paging *g, enum way way)
{
	struct page_plan p = { g->use, g->start, 0, 1 };

	leave_state(g);
	if (g->planned_parts == g->npart && g->planned_way == (int)way)
		return 0;
	p.nstep = fill_plan(g, way);
	g->planned_parts = SIZE_MAX;
	if (!p.nstep)
		return 0;
	TRY(pager_plan(g->pager, &p));
	g->planned_parts = g->npart;
	g->planned_way = (int)way;
	return 0;
}

/* ---- a run ---- */

struct run {
	struct paging *g;
	struct pool *pool;
	enum way way;
	uint32_t step;
	const struct paging_calls *calls;
};

static void carry(struct paging *g, size_t visit, size_t part)
{
	const struct program_carry *c;
	size_t carries = program_carries(g->program, visit, &c);

	for (size_t i = 0; i < carries; i++)
		program_carry_at(g->program, &c[i], g->page[
				 paging_slot(g, part, c[i].slot)].at);
}

static int compute(const struct run *r, size_t visit, size_t part)
{
	struct paging *g = r->g;
	size_t turn = program_segments(g->program) - 1;
	const struct batch *b = &g->part[part].batch;
	struct program_pass pass = {
		.batch = b, .train = r->way != WAY_DOWN, .step = r->step,
	};
	struct mat last = { 0 }, dlast = { 0 };

	if (!part && visit <= turn)
		TRY(program_refresh_segment(g->program, visit, r->pool));
	if (visit <= turn)
		last = program_visit(g->program, visit, &pass);
	if (visit == turn)
		TRY(r->calls->loss(r->calls->ctx, b, last,
				   pass.train ? &dlast : NULL));
	if (pass.train && visit >= turn)
		program_visit_back(g->program, visit, &pass, dlast);
	if (r->way == WAY_TOGETHER && completes(g, visit, part))
		r->calls->update(r->calls->ctx, program_visit_segment(
						g->program, visit));
	return 0;
}

static int visit_part(const struct run *r, size_t visit, size_t part)
{
	struct paging *g = r->g;
	int err;

	TRY(pager_begin(g->pager));
	carry(g, visit, part);
	err = compute(r, visit, part);
	pager_end(g->pager);
	return err;
}

int paging_run(struct paging *g, struct pool *pool, int train, uint32_t step,
	       const struct paging_calls *calls)
{
	struct run r = { g, pool, way_of(g, train, calls->together), step,
			 calls };

	/* Without parts, states are for paging_update(). */
	if (!g->npart && r.way == WAY_TOGETHER)
		r.way = WAY_UPDATE;
	TRY(plan(g, r.way));
	for (size_t v = 0; v < visits_of(g, train); v++)
		for (size_t k = 0; k < g->npart; k++)
			TRY(visit_part(&r, v, k));
	return g->npart || !train || !calls->together ?
	       0 : paging_update(g, calls);
}

int paging_update(struct paging *g, const struct paging_calls *c)
{
	for (size_t s = program_segments(g->program); s-- > 0;) {
		TRY(pager_begin(g->pager));
		c->update(c->ctx, s);
		pager_end(g->pager);
	}
	return 0;
}

/* ---- states ---- */

void *paging_state(const struct paging *g, size_t segment)
{
	return g->page[g->first_state + segment].at;
}

int paging_use_state(void *paging, size_t segment)
{
	struct paging *g = paging;
	struct page_use use = { (uint32_t)(g->first_state + segment),
				PAGE_READ | PAGE_WRITE };
	const size_t start[] = { 0, 1 };
	const struct page_plan p = { &use, start, 1, 0 };

	leave_state(g);
	g->planned_parts = SIZE_MAX;
	TRY(pager_plan(g->pager, &p));
	TRY(pager_begin(g->pager));
	g->state_open = 1;
	return 0;
}

void paging_statistics(const struct paging *g, struct pager_stats *s)
{
	pager_statistics(g->pager, s);
}
