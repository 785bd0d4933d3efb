#include "train/paging_parts.h"

#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "base/digest.h"
#include "base/size.h"

/* ---- what it takes ---- */

/* Greedily filled, two parts in a row hold more than one could. */
static size_t parts_of(const struct paging_options *o, size_t tokens)
{
	size_t each = 2 * (o->most->tokens / size_max(tokens, 1)) + 1;

	if (tokens >= o->most->tokens)
		return o->batches;
	return o->batches * size_min(each, size_max(o->most->sequences, 1));
}

static size_t slot_bytes(size_t cols, size_t tokens)
{
	return size_align(cols * tokens * sizeof(float), SPACE_PAGE);
}

/* Room for segment's states; never nothing, which is no page. */
static size_t state_page(size_t bytes)
{
	return size_align(size_max(bytes, 1), SPACE_PAGE);
}

uint64_t paging_spill_bytes(const struct program *p, const struct pool *pool,
			    const struct program_need *need,
			    const struct paging_options *o)
{
	struct program_slots_cost c = program_slots_cost(p, pool, need);
	uint64_t sum = (uint64_t)parts_of(o, need->tokens) *
		       (slot_bytes(c.all, need->tokens) + c.n * SPACE_PAGE);

	for (size_t i = 0; o->state && i < program_segments(p); i++)
		sum += state_page(o->state[i]);
	return sum;
}

/* Two segments' states, while weights are there. */
static uint64_t least_states(const struct program *p,
			     const struct paging_options *o)
{
	uint64_t most = 0;

	for (size_t i = 0; o->state && i < program_segments(p); i++)
		if (state_page(o->state[i]) > most)
			most = state_page(o->state[i]);
	return 2 * most;
}

struct sum {
	const struct paging_options *o;
	char *seen;
	uint64_t bytes;
};

static int add_tensor(void *ctx, const struct tensor *t)
{
	struct sum *s = ctx;
	size_t i = pager_page_of(s->o->base, s->o->nbase, t->part[0].data);

	if (i < s->o->nbase && !s->seen[i]) {
		s->seen[i] = 1;
		s->bytes += s->o->base[i].bytes;
	}
	return 0;
}

uint64_t paging_least(const struct program *p, const struct pool *pool,
		      const struct program_need *need,
		      const struct paging_options *o)
{
	struct sum s = { .o = o, .seen = calloc(o->nbase + 1, 1) };
	struct program_slots_cost c = program_slots_cost(p, pool, need);
	uint64_t least = 0;

	if (!s.seen)
		return UINT64_MAX;
	for (size_t i = 0; i + 1 < program_segments(p); i++) {
		s.bytes = 0;
		memset(s.seen, 0, o->nbase);
		if (program_segment_tensors(p, i, add_tensor, &s) ||
		    program_segment_tensors(p, i + 1, add_tensor, &s))
			break;
		least = s.bytes > least ? s.bytes : least;
	}
	free(s.seen);
	return least + 2 * slot_bytes(c.most, need->tokens) + 8 * SPACE_PAGE +
	       least_states(p, o);
}

uint64_t paging_bytes(const struct paging_options *o)
{
	return o->batches * (pack_bytes(o->most) +
			     (2 * o->most->sequences + 1) *
				     (sizeof(struct part) + sizeof(size_t))) +
	       pager_bytes(o->base, o->nbase);
}

/* ---- the pages of slots ---- */

static int slot_load(void *ctx, size_t id, size_t i, void *at, void *scratch)
{
	const struct paging *g = ctx;
	const struct pager_page *p = &g->page[id];
	uint64_t from = (uint64_t)((unsigned char *)p->at - g->space.at);

	(void)i;
	(void)scratch;
	if (spill_read(&g->spill, from, at, p->bytes)) /* as base pages do */
		TRY(spill_read(&g->spill, from, at, p->bytes));
	if (g->stored[id].there && g->stored[id].digest !=
				   digest_64(at, p->bytes))
		return err_set(E_IO, "the spill file: other bytes than were "
			       "written");
	return 0;
}

static int slot_store(void *ctx, size_t id, size_t i, const void *at)
{
	struct paging *g = ctx;
	const struct pager_page *p = &g->page[id];

	(void)i;
	g->stored[id] = (struct stored){ digest_64(at, p->bytes), 1 };
	return spill_write(&g->spill, (uint64_t)((unsigned char *)p->at -
						 g->space.at), at, p->bytes);
}

/* A page of the space's next bytes. */
static void add_page(struct paging *g, size_t page, size_t bytes, size_t *at)
{
	g->page[page] = (struct pager_page){
		g->space.at + *at, bytes, &g->backing, page, 1,
	};
	*at += bytes;
}

static size_t states(const struct paging *g, const size_t *state)
{
	return state ? program_segments(g->program) : 0;
}

/* Zeroed as they are in the spill file, states need no beginning. */
static int make_pages(struct paging *g, const size_t *state)
{
	size_t each = 0, all = 0, at = 0;

	for (size_t i = 0; i < g->nslot; i++)
		each += slot_bytes(program_slot_cols(g->program, i),
				   g->tokens);
	for (size_t i = 0; i < states(g, state); i++)
		all += state_page(state[i]);
	TRY(space_init(&g->space, g->nparts * each + all));
	TRY(spill_open(&g->spill));
	TRY(spill_reserve(&g->spill, g->space.bytes));
	g->backing = (struct pager_backing){ g, 0, slot_load, slot_store };
	for (size_t k = 0; k < g->nparts; k++)
		for (size_t i = 0; i < g->nslot; i++)
			add_page(g, paging_slot(g, k, i), slot_bytes(
				 program_slot_cols(g->program, i),
				 g->tokens), &at);
	for (size_t i = 0; i < states(g, state); i++)
		add_page(g, g->first_state + i, state_page(state[i]), &at);
	return 0;
}

static int make_slots(struct paging *g, const size_t *state)
{
	g->nslot = program_slots(g->program);
	g->npage = g->nbase + g->nparts * g->nslot;
	g->first_state = state ? g->npage : SIZE_MAX;
	g->npage += states(g, state);
	g->page = calloc(g->npage + 1, sizeof(*g->page));
	g->stored = calloc(g->npage + 1, sizeof(*g->stored));
	if (!g->page || !g->stored)
		return err_set(E_NOMEM, "out of memory");
	return make_pages(g, state);
}

/* ---- the pages of segments ---- */

struct finder {
	struct paging *g;
	size_t n, segment;
};

static int find_page(void *ctx, const struct tensor *t)
{
	struct finder *f = ctx;
	struct paging *g = f->g;
	size_t i = pager_page_of(g->page, g->nbase, t->part[0].data);

	for (size_t k = g->segment[f->segment]; k < f->n; k++)
		if (g->base_page[k] == i)
			return 0;
	if (i < g->nbase)
		g->base_page[f->n++] = (uint32_t)i;
	return 0;
}

/* A page may be of several segments (a tied head, layers that share). */
static int make_segments(struct paging *g)
{
	size_t n = program_segments(g->program);
	struct finder f = { g, 0, 0 };

	g->segment = calloc(n + 1, sizeof(*g->segment));
	g->base_page = calloc(n * g->nbase + 1, sizeof(*g->base_page));
	if (!g->segment || !g->base_page)
		return err_set(E_NOMEM, "out of memory");
	for (; f.segment < n; f.segment++) {
		TRY(program_segment_tensors(g->program, f.segment, find_page,
					    &f));
		g->segment[f.segment + 1] = f.n;
	}
	return 0;
}

/* ---- life ---- */

static int make_room(struct paging *g)
{
	size_t visits = program_visits(g->program), carries = 0, pages = 0;
	const struct program_carry *c;

	for (size_t v = 0; v < visits; v++) {
		size_t s = program_visit_segment(g->program, v);

		carries += program_carries(g->program, v, &c);
		pages += g->segment[s + 1] - g->segment[s];
	}
	g->room = g->nparts * (carries + pages) + 2 * visits;
	g->use = calloc(g->room + 1, sizeof(*g->use));
	g->start = calloc((g->nparts + 1) * visits + 1, sizeof(*g->start));
	g->part = calloc(g->nparts, sizeof(*g->part));
	g->columns = calloc(g->batches, pack_bytes(&g->most));
	if (!g->use || !g->start || !g->part || !g->columns)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < g->nparts; i++) {
		g->part[i].start = calloc(g->most.sequences + 1,
					  sizeof(size_t));
		if (!g->part[i].start)
			return err_set(E_NOMEM, "out of memory");
	}
	return 0;
}

static int make(struct paging *g, const struct paging_options *o)
{
	TRY(make_slots(g, o->state));
	if (o->nbase)
		memcpy(g->page, o->base, o->nbase * sizeof(*g->page));
	TRY(make_segments(g));
	TRY(make_room(g));
	/* What never goes may be in huge pages. */
	if (pager_page_bytes(g->page, g->npage) <= o->capacity)
		os_pages_huge(g->space.at, g->space.bytes);
	return pager_new(&g->pager, g->page, g->npage, o->capacity);
}

int paging_new(struct paging **to, struct program *p, size_t tokens,
	       const struct paging_options *o)
{
	struct paging *g = calloc(1, sizeof(*g));
	int err;

	*to = NULL;
	if (!g)
		return err_set(E_NOMEM, "out of memory");
	g->program = p;
	g->tokens = tokens;
	g->most = *o->most;
	g->batches = o->batches;
	g->nparts = parts_of(o, tokens);
	g->nbase = o->nbase;
	g->spill.fd = -1;
	g->planned_parts = SIZE_MAX;
	err = make(g, o);
	if (err)
		paging_free(g);
	else
		*to = g;
	return err;
}

void paging_free(struct paging *g)
{
	if (!g)
		return;
	pager_free(g->pager);
	for (size_t i = 0; g->part && i < g->nparts; i++)
		free(g->part[i].start);
	space_release(&g->space);
	spill_close(&g->spill);
	free(g->part);
	free(g->columns);
	free(g->page);
	free(g->stored);
	free(g->segment);
	free(g->base_page);
	free(g->use);
	free(g->start);
	free(g);
}
