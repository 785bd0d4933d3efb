/*
 * paged_update - a step in pages without clipping: each segment's parameters
 * are moved as soon as their gradients are complete, and no sooner; and a step
 * whose spilled pages cannot be written or read
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "adapt/spec.h"
#include "base/digest.h"
#include "base/size.h"
#include "golden.h"
#include "io_faults.h"
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

static void adapt(struct model *m, const char *text)
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

static int loss(void *ctx, const struct batch *b, struct mat last,
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

static size_t segment_of(const struct run *r, size_t adapter)
{
	return program_module_segment(r->m.p,
				      r->m.adapters.at[adapter].module);
}

static size_t count_of(const struct adapter_param *p)
{
	return p->rows * p->cols;
}

static int is_zero(const float *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (at[i] != 0)
			return 0;
	return 1;
}

/* The layers below have not begun, and of this segment nothing comes any more:
 * that is seen at the end. */
static void update(void *ctx, size_t segment)
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

static void make_paging(struct run *r, struct paging_options *o, size_t tokens)
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

static int step(struct run *r, int together)
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

/* What was moved by is what all micro-batches have given. */
static void check_gradients(struct run *r)
{
	int any = 0;

	for (size_t i = 0, at = 0; i < r->m.adapters.n; i++)
		for (size_t k = 0; k < r->m.adapters.at[i].nparam; k++, at++) {
			const struct adapter *a = &r->m.adapters.at[i];
			const struct adapter_param *p = &a->param[k];

			assert_non_null(r->then[at]);
			if (memcmp(r->then[at], p->grad,
				   count_of(p) * sizeof(float)))
				fail_msg("%s.%s was moved too soon", a->module,
					 p->name);
			any |= !is_zero(p->grad, count_of(p));
		}
	assert_true(any);
}

/* So many rows of a soft prompt come before a batch's one sequence. */
static void stand_before(struct model_batch *b, size_t rows)
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
static void take_batches(struct run *r, const char *dir,
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

static void open_run(struct run *r, const char *dir, const char *config)
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

static void close_run(struct run *r)
{
	paging_free(r->g);
	for (size_t i = 0; i < STATES * 8; i++)
		free(r->then[i]);
	for (size_t i = 0; i < r->n; i++)
		model_batch_release(&r->batches[i]);
	free(r->batches);
	model_close(&r->m);
}

static void one_step(const char *dir, const char *config, int together)
{
	struct run r;

	open_run(&r, dir, config);
	if (step(&r, together))
		fail_msg("%s", err_text());
	if (together) {
		assert_int_equal(r.left, 0);
		check_gradients(&r);
	} else { /* nothing is moved before the whole is known */
		assert_int_equal(r.left, program_segments(r.m.p));
	}
	close_run(&r);
}

/* Modules of layers, and what several segments use: a tied embedding is trained
 * at both ends, soft prompts stand before the text or in every layer. */
static const char *const configs[] = {
	"{\"kind\":\"lora\",\"r\":4,\"target_modules\":\"all-linear\"}",
	"{\"kind\":\"lora\",\"r\":4,\"bias\":\"all\","
		"\"target_modules\":\"all-linear\"}",
	"{\"kind\":\"dora\",\"r\":4,\"target_modules\":\"all-linear\"}",
	"{\"kind\":\"lora\",\"r\":4,\"target_modules\":[\"q_proj\"],"
		"\"modules_to_save\":[\"embed_tokens\"]}",
	"{\"kind\":\"lora\",\"r\":4,\"target_modules\":[\"q_proj\","
		"\"embed_tokens\"]}",
	"{\"kind\":\"prompt\",\"num_virtual_tokens\":3,"
		"\"token_dim\":64}",
};

static const char prefix[] =
	"{\"kind\":\"prefix\",\"num_virtual_tokens\":3,"
		"\"num_layers\":2,\"token_dim\":32}";

static void parameters_move_when_gradients_are_complete(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(configs) / sizeof(*configs); i++) {
		one_step("A/llama3_tied", configs[i], 1);
		one_step("A/llama", configs[i], 1);
	}
	one_step("A/llama", "{\"kind\":\"lora\",\"r\":4,"
		 "\"target_modules\":[\"q_proj\"],"
		 "\"modules_to_save\":[\"lm_head\"]}", 1);
	one_step("A/gpt2", configs[1], 1);
	one_step("A/llama", prefix, 1);
}

static void with_clipping_they_wait_for_all(void **state)
{
	(void)state;
	one_step("A/llama", configs[0], 0);
}

/* ---- spilled pages that cannot be written or read ---- */

/* What the parameters of a step were moved by; the last, if it came to it. */
static uint64_t gradients(const struct run *r)
{
	uint64_t sum = 1;

	for (size_t i = 0; i < r->m.adapters.n; i++)
		for (size_t k = 0; k < r->m.adapters.at[i].nparam; k++) {
			const struct adapter_param *p =
				&r->m.adapters.at[i].param[k];

			sum = sum * 31 + digest_64(p->grad, count_of(p) *
							    sizeof(float));
		}
	return sum;
}

static void check_message(void)
{
	if (!strstr(err_text(), "pages cannot be ") &&
	    !strstr(err_text(), "the spill file: other bytes"))
		fail_msg("%s", err_text());
}

/* The states say how many times they were moved, if they can be had. */
static int check_states(struct run *r, float times)
{
	for (size_t i = 0; i < program_segments(r->m.p); i++) {
		const float *states = paging_state(r->g, i);

		TRY(paging_use_state(r->g, i));
		assert_true(states[STATE_BYTES / sizeof(float) - 1] == times);
	}
	return 0;
}

/* Steps whose n'th call fails, -1: none; *sum: what came of the last. */
static int faulty_steps(long n, uint64_t *sum)
{
	struct run r;
	int err = 0;

	open_run(&r, "A/llama", configs[0]);
	asked = hits = 0;
	nth = n;
	for (int i = 0; !err && i < 3; i++)
		err = step(&r, 1);
	*sum = gradients(&r);
	if (!err)
		err = check_states(&r, 3);
	nth = -1;
	if (err)
		check_message();
	close_run(&r);
	return err;
}

/* Every call of this kind fails in turn; how many runs ended with an error, of
 * how many calls. */
static long each(struct fault f, long *all)
{
	uint64_t want, sum;
	long errors = 0;

	fault = f;
	assert_int_equal(faulty_steps(-1, &want), 0);
	for (*all = 0;; ++*all) {
		int err = faulty_steps(*all, &sum);

		assert_true(!err || err == E_IO);
		assert_true(err || sum == want);
		errors += err != 0;
		if (!hits)
			return errors;
	}
}

static void spilled_pages_fail_at_every_call(void **state)
{
	static const struct fault read = { ERROR, EIO, ALWAYS, 0 },
		damage = { DAMAGE, 0, 1, 0 }, part = { SHORT, 0, 1, 0 },
		write = { ERROR, EIO, 1, 1 }, full = { ERROR, ENOSPC, 1, 1 },
		less = { SHORT, 0, 1, 1 };
	long all;

	(void)state;
	assert_true(each(read, &all) > 5);
	assert_true(each(damage, &all) > 5);
	assert_int_equal(each(part, &all), 0);
	assert_true(all > 5);
	assert_true(each(write, &all) > 5);
	assert_true(each(full, &all) > 5);
	assert_int_equal(each(less, &all), 0);
	assert_true(all > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parameters_move_when_gradients_are_complete),
		cmocka_unit_test(with_clipping_they_wait_for_all),
		cmocka_unit_test(spilled_pages_fail_at_every_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
