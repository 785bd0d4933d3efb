/* paging_run - the parts of a step, their plan, and the visits */
#include "train/paging_parts.h"

#include <string.h>

/* ---- parts ---- */

void paging_clear(struct paging *g)
{
	g->nbatch = g->npart = 0;
}

int paging_full(const struct paging *g)
{
	return g->nbatch == g->batches;
}

/* The batch's columns, in memory that stays. */
static struct batch copy_batch(struct paging *g, const struct batch *b)
{
	unsigned char *at = g->columns + g->nbatch++ * pack_bytes(&g->most);
	uint64_t *sample = (void *)at;
	size_t *start = (size_t *)(sample + g->most.sequences);
	uint32_t *id = (uint32_t *)(start + g->most.sequences + 1);
	uint32_t *pos = id + g->most.tokens;
	int32_t *target = (int32_t *)(pos + g->most.tokens);
	struct batch copy = *b;

	memcpy(sample, b->sample, b->nseq * sizeof(*sample));
	memcpy(start, b->start, (b->nseq + 1) * sizeof(*start));
	memcpy(id, b->id, b->n * sizeof(*id));
	memcpy(pos, b->pos, b->n * sizeof(*pos));
	memcpy(target, b->target, b->n * sizeof(*target));
	copy.sample = sample;
	copy.start = start;
	copy.id = id;
	copy.pos = pos;
	copy.target = target;
	return copy;
}

void paging_add(struct paging *g, const struct batch *b)
{
	struct batch copy = copy_batch(g, b);
	size_t next = 0;

	while (batch_part(&g->part[g->npart].batch, &copy, &next, g->tokens,
			  g->part[g->npart].start))
		if (g->part[g->npart].batch.ntarget)
			g->npart++;
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

static int plan(struct paging *g, int train)
{
	size_t visits = visits_of(g, train), n = 0, step = 0;
	struct page_plan p = { g->use, g->start, visits * g->npart, 1 };

	if (g->planned_parts == g->npart && g->planned_train == train)
		return 0;
	for (size_t v = 0; v < visits; v++)
		for (size_t k = 0; k < g->npart; k++) {
			add_visit(g, v, visits, k, &n);
			g->start[++step] = n;
		}
	g->planned_parts = 0;
	TRY(pager_plan(g->pager, &p));
	g->planned_parts = g->npart;
	g->planned_train = train;
	return 0;
}

/* ---- a run ---- */

struct run {
	struct paging *g;
	struct pool *pool;
	int train;
	uint32_t step;
	paging_loss_fn *loss;
	void *ctx;
};

static void carry(struct paging *g, size_t visit, size_t part, int save)
{
	const struct program_carry *c;
	size_t carries = program_carries(g->program, visit, &c);
	size_t rows = g->part[part].batch.n;

	for (size_t i = 0; i < carries; i++) {
		struct mat m = program_carried(g->program, &c[i], rows);
		void *page = g->page[paging_slot(g, part, c[i].slot)].at;
		size_t bytes = rows * m.cols * sizeof(float);

		if (save && c[i].save)
			memcpy(page, m.at, bytes);
		else if (!save && c[i].load)
			memcpy(m.at, page, bytes);
	}
}

static int compute(const struct run *r, size_t visit, size_t part)
{
	struct paging *g = r->g;
	size_t turn = program_segments(g->program) - 1;
	const struct batch *b = &g->part[part].batch;
	struct program_pass pass = {
		.batch = b, .train = r->train, .step = r->step,
	};
	struct mat last = { 0 }, dlast = { 0 };

	if (!part && visit <= turn)
		TRY(program_refresh_segment(g->program, visit, r->pool));
	if (visit <= turn)
		last = program_visit(g->program, visit, &pass);
	if (visit == turn)
		TRY(r->loss(r->ctx, b, last, r->train ? &dlast : NULL));
	if (r->train && visit >= turn)
		program_visit_back(g->program, visit, &pass, dlast);
	return 0;
}

static int visit_part(const struct run *r, size_t visit, size_t part)
{
	struct paging *g = r->g;
	int err;

	TRY(pager_begin(g->pager));
	carry(g, visit, part, 0);
	err = compute(r, visit, part);
	if (!err)
		carry(g, visit, part, 1);
	pager_end(g->pager);
	return err;
}

int paging_run(struct paging *g, struct pool *pool, int train, uint32_t step,
	       paging_loss_fn *loss, void *ctx)
{
	struct run r = { g, pool, train, step, loss, ctx };

	if (!g->npart)
		return 0;
	TRY(plan(g, train));
	for (size_t v = 0; v < visits_of(g, train); v++)
		for (size_t k = 0; k < g->npart; k++)
			TRY(visit_part(&r, v, k));
	return 0;
}

void paging_statistics(const struct paging *g, struct pager_stats *s)
{
	pager_statistics(g->pager, s);
}
