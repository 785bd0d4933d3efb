/*
 * paged_step - steps of training in pages on a small model, with adapters of
 * any configuration; updates are noted, not made
 *
 * Include it after <cmocka.h>.
 */
#ifndef UNIT_PAGED_STEP_H
#define UNIT_PAGED_STEP_H

#include "adapt/spec.h"
#include "base/size.h"
#include "golden.h"
#include "model.h"
#include "trace.h"
#include "train/paging.h"

/* Not all states fit at the least capacity. */
enum { STATES = 8, STATE_BYTES = 50000 };

/* A run, as it goes. */
struct run {
	struct model m;
	struct paging *g;
	struct model_batch *batches;    /* (n) one is a part */
	size_t n, losses;
	size_t left;                    /* segments to move */
	float *then[STATES * 8];        /* a parameter's gradients when its
					 * segment was moved */
};

static inline void adapt(struct model *m, const char *text)
{
	struct adapter_sites sites = { 0 };
	json_t *config = json_loads(text, 0, NULL);

	assert_non_null(config);
	for (size_t i = 0; i < m->base.n; i++)
		assert_int_equal(adapter_sites_add(&sites, &m->base.at[i]),
				 0);
	if (adapter_set_make(&m->adapters, config, &sites))
		fail_msg("%s: %s", text, err_text());
	assert_int_equal(adapter_set_place(&m->adapters, 1), 0);
	assert_int_equal(adapter_set_init(&m->adapters, &m->base, 1), 0);
	assert_int_equal(program_adapt(m->p, &m->adapters), 0);
	adapter_sites_release(&sites);
	json_decref(config);
}

/* ---- what a step calls ---- */

static inline int loss(void *ctx, const struct batch *b, struct mat last,
		       struct mat *dlast)
{
	static float dlogits[1 << 16], logits[1 << 16], d[1 << 16];
	struct run *r = ctx;
	const struct model_batch *of = &r->batches[r->losses++];
	size_t vocab = program_vocab(r->m.p), hidden = program_hidden(r->m.p);

	assert_int_equal(b->n, of->batch.n);
	assert_true(b->n * vocab <= 1 << 16);
	memset(dlogits, 0, sizeof(dlogits));
	program_logits(r->m.p, last, mat_of(logits, b->n, vocab));
	loss_of(of, logits, vocab, dlogits);
	*dlast = mat_of(d, b->n, hidden);
	program_logits_backward(r->m.p, last, mat_of(dlogits, b->n, vocab),
				*dlast);
	return 0;
}

static inline size_t segment_of(const struct run *r, size_t adapter)
{
	return program_module_segment(r->m.p,
				      r->m.adapters.at[adapter].module);
}

static inline size_t count_of(const struct adapter_param *p)
{
	return p->rows * p->cols;
}

static inline int is_zero(const float *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (at[i] != 0)
			return 0;
	return 1;
}

/* The layers below have not begun, and of this segment nothing comes any more:
 * that is seen at the end. */
static inline void update(void *ctx, size_t segment)
{
	struct run *r = ctx;
	float *states = paging_state(r->g, segment);

	assert_int_equal(segment, --r->left);
	states[STATE_BYTES / sizeof(float) - 1] += 1; /* they are there */
	for (size_t i = 0, at = 0; i < r->m.adapters.n; i++)
		for (size_t k = 0; k < r->m.adapters.at[i].nparam; k++, at++) {
			const struct adapter_param *p =
				&r->m.adapters.at[i].param[k];
			size_t of = segment_of(r, i);

			if (of < segment && of > 0)
				assert_true(is_zero(p->grad, count_of(p)));
			if (of != segment)
				continue;
			free(r->then[at]);
			r->then[at] = copy(p->grad, count_of(p));
		}
}

/* ---- a step ---- */

static inline void make_paging(struct run *r, struct paging_options *o,
			       size_t tokens)
{
	struct program_need need = {
		tokens, MODEL_SEQUENCES, tokens, 1, program_layers(r->m.p), 1,
	};

	if (program_plan(r->m.p, r->m.pool, &need))
		fail_msg("%s", err_text());
	o->capacity = (size_t)paging_least(r->m.p, r->m.pool, &need, o);
	if (paging_new(&r->g, r->m.p, tokens, o))
		fail_msg("%s", err_text());
}

static inline int step(struct run *r, int together)
{
	struct paging_calls calls = { r, loss, update, together };
	int err;

	adapter_set_clear(&r->m.adapters);
	for (size_t i = 0; i < r->n; i++)
		paging_add(r->g, &r->batches[i].batch);
	r->losses = 0;
	r->left = program_segments(r->m.p);
	err = paging_run(r->g, r->m.pool, 1, 3, &calls);
	paging_clear(r->g);
	return err;
}

/* So many rows of a soft prompt come before a batch's one sequence. */
static inline void stand_before(struct model_batch *b, size_t rows)
{
	size_t n = b->batch.n + rows;
	uint32_t *id = malloc((n + 1) * sizeof(*id));
	uint32_t *pos = malloc((n + 1) * sizeof(*pos));
	int32_t *target = malloc((n + 1) * sizeof(*target));

	assert_true(id && pos && target);
	for (size_t i = 0; i < n; i++) {
		id[i] = i < rows ? virtual_id(0, i) : b->id[i - rows];
		target[i] = i < rows ? LABEL_NONE : b->target[i - rows];
		pos[i] = (uint32_t)i;
	}
	free(b->id);
	free(b->pos);
	free(b->target);
	b->batch.id = b->id = id;
	b->batch.pos = b->pos = pos;
	b->batch.target = b->target = target;
	b->batch.n = b->start[1] = n;
}

/* Each sequence of the model's case is a micro-batch. */
static inline void take_batches(struct run *r, const char *dir,
				struct pack_most *most)
{
	const struct adapter *front = adapter_set_front(&r->m.adapters);
	struct golden g;

	golden_case(&g, dir);
	r->n = model_sequences(&g);
	r->batches = calloc(r->n, sizeof(*r->batches));
	assert_true(r->batches && r->n > 1);
	for (size_t i = 0; i < r->n; i++) {
		model_batch(&r->batches[i], &g, i, 1);
		if (front)
			stand_before(&r->batches[i], program_front(r->m.p, 0));
		most->tokens = size_max(most->tokens, r->batches[i].batch.n);
	}
	most->sequences = 1;
	golden_close(&g);
}

static inline void open_run(struct run *r, const char *dir, const char *config)
{
	size_t state[STATES];
	struct pack_most most = { 0 };
	struct paging_options o = { .state = state, .most = &most };

	memset(r, 0, sizeof(*r));
	for (size_t i = 0; i < STATES; i++)
		state[i] = STATE_BYTES;
	model_open(&r->m, dir, 2);
	adapt(&r->m, config);
	assert_true(program_segments(r->m.p) <= STATES);
	take_batches(r, dir, &most);
	o.batches = r->n;
	make_paging(r, &o, most.tokens);
}

static inline void close_run(struct run *r)
{
	paging_free(r->g);
	for (size_t i = 0; i < STATES * 8; i++)
		free(r->then[i]);
	for (size_t i = 0; i < r->n; i++)
		model_batch_release(&r->batches[i]);
	free(r->batches);
	model_close(&r->m);
}

#endif
