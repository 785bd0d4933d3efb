/*
 * soft - a small model behind a soft prompt, for tests
 *
 * Include it after "trace.h".
 */
#ifndef UNIT_SOFT_H
#define UNIT_SOFT_H

#include "adapt/spec.h"
#include "arch/soft_model.h"

enum { ROWS = 5, OTHER = 3, SEQUENCES = 3 };

static const char *const kinds[] = { "prompt", "prefix" };
enum { NKIND = sizeof(kinds) / sizeof(kinds[0]) };

/* A soft prompt of n virtual tokens for the model, with gradients. */
static inline void make_set(struct adapter_set *s, const struct model *m,
			    const char *kind, size_t n, uint64_t seed)
{
	struct adapter_sites sites = { 0 };
	json_t *config = json_pack("{ss sI ss}", "kind", kind,
				   "num_virtual_tokens", (json_int_t)n,
				   "init", "random");
	struct adapter_param *p;

	for (size_t i = 0; i < m->base.n; i++)
		assert_int_equal(adapter_sites_add(&sites, &m->base.at[i]), 0);
	assert_int_equal(soft_model_of(config, &m->base), 0);
	if (adapter_set_make(s, config, &sites))
		fail_msg("%s", err_text());
	assert_int_equal(s->n, 1);
	assert_int_equal(adapter_set_place(s, 1), 0);
	assert_int_equal(adapter_set_init(s, &m->base, seed), 0);
	p = &s->at[0].param[0];
	for (size_t i = 0; !strcmp(kind, "prefix") && i < p->rows * p->cols;
	     i++)
		p->at[i] *= 20; /* so that attention minds it */
	adapter_sites_release(&sites);
	json_decref(config);
}

/* Sequence i of b with rows[i] virtual tokens of prompt[i] before it. */
static inline void add_front(struct model_batch *to,
			     const struct model_batch *b, size_t i,
			     size_t prompt, size_t rows)
{
	struct batch *out = &to->batch;
	size_t n = out->n, at = 0;

	for (; at < rows; at++, n++) {
		to->id[n] = virtual_id(prompt, at);
		to->pos[n] = (uint32_t)at;
		to->target[n] = LABEL_NONE;
	}
	for (size_t t = b->start[i]; t < b->start[i + 1]; t++, n++, at++) {
		to->id[n] = b->id[t];
		to->pos[n] = (uint32_t)at;
		to->target[n] = b->target[t];
	}
	to->sample[out->nseq] = i;
	out->n = n;
	to->start[++out->nseq] = n;
}

static inline void front_begin(struct model_batch *to,
			       const struct model_batch *b)
{
	size_t room = b->batch.n + SEQUENCES * ROWS;

	memset(to, 0, sizeof(*to));
	to->id = calloc(room, sizeof(*to->id));
	to->pos = calloc(room, sizeof(*to->pos));
	to->target = calloc(room, sizeof(*to->target));
	to->batch = (struct batch){ .id = to->id, .pos = to->pos,
				    .start = to->start, .sample = to->sample,
				    .target = to->target };
}

struct stage {
	struct golden g;
	struct model m;
	struct model_batch plain, b;
};

static inline void stage_open(struct stage *s, const char *dir,
			      const char *kind, size_t threads)
{
	size_t n;

	golden_case(&s->g, dir);
	model_open(&s->m, dir, threads);
	make_set(&s->m.adapters, &s->m, kind, ROWS, 7);
	if (program_adapt(s->m.p, &s->m.adapters))
		fail_msg("%s: %s", dir, err_text());
	n = model_sequences(&s->g);
	n = n < SEQUENCES ? n : SEQUENCES;
	model_batch(&s->plain, &s->g, 0, n);
	front_begin(&s->b, &s->plain);
	for (size_t i = 0; i < n; i++) {
		add_front(&s->b, &s->plain, i, 0, ROWS);
		if (program_predicts(s->m.p, 0))
			s->b.target[s->b.start[i] + ROWS - 1] = (int32_t)
				s->plain.id[s->plain.start[i]];
	}
}

static inline void stage_close(struct stage *s)
{
	model_batch_release(&s->plain);
	model_batch_release(&s->b);
	model_close(&s->m);
	golden_close(&s->g);
}

#endif
