/* trainer_plan - how many steps, and what memory they take */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "base/size.h"
#include "kernel/gemm.h"
#include "train/trainer.h"

static int check_lengths(const struct samples *s, size_t longest,
			 const char *what)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->start[i + 1] - s->start[i] > longest)
			return err_set(E_DATA, "%s: sample %zu has %zu "
				       "tokens, the model has positions for "
				       "%zu", what, i + 1,
				       s->start[i + 1] - s->start[i], longest);
	return 0;
}

static int check_tokens(const struct samples *s, size_t vocab,
			const char *what)
{
	for (size_t i = 0; i < s->n; i++)
		for (size_t t = s->start[i]; t < s->start[i + 1]; t++) {
			int32_t label = s->label[t];

			if (s->id[t] >= vocab)
				return err_set(E_DATA, "%s: sample %zu has "
					       "token %u, the vocabulary %zu",
					       what, i + 1, s->id[t], vocab);
			if (label != LABEL_NONE &&
			    (label < 0 || (size_t)label >= vocab))
				return err_set(E_DATA, "%s: sample %zu has "
					       "label %d, the vocabulary %zu",
					       what, i + 1, label, vocab);
		}
	return 0;
}

/* The batches of so many epochs. Shuffled and packed, each is another number;
 * otherwise all are as the first. */
static uint64_t count_batches(struct trainer *t)
{
	const struct pack_options *p = &t->options.pack;
	double left = t->options.epochs;
	size_t n = pack_count(&t->data, 0);
	uint64_t done = 0;

	for (uint64_t epoch = 0; left > 0; epoch++, left -= 1) {
		if (epoch && p->shuffle && !p->single)
			n = pack_count(&t->data, epoch);
		done += left < 1 ? (uint64_t)ceil(left * (double)n) : n;
	}
	return done;
}

/* Batches that are looked at one by one; of a longer run's, what none of any
 * epoch goes beyond is enough. */
enum { MEASURED = 1 << 18 };

int trainer_measures(const struct trainer *t)
{
	return t->plan.batches <= MEASURED;
}

/* What the run's batches have in parts of at most so many tokens, and what the
 * evaluation's, of which every epoch is as the first, have. */
static void measure(struct trainer *t, size_t tokens, struct pack_most *most)
{
	struct pack_cut cut = { tokens, loss_rows(program_vocab(t->program)) };

	pack_measure(&t->data, t->plan.batches, &cut, most);
}

static void measure_eval(struct trainer *t, size_t tokens,
			 struct pack_most *most)
{
	struct pack_cut cut = { tokens, loss_rows(program_vocab(t->program)) };

	if (t->has_eval)
		pack_measure(&t->eval, UINT64_MAX, &cut, most);
}

static int bound(struct trainer *t, struct pack_most *most)
{
	memset(most, 0, sizeof(*most));
	most->targets = loss_rows(program_vocab(t->program));
	TRY(pack_bound(&t->data, most));
	return t->has_eval ? pack_bound(&t->eval, most) : 0;
}

static int count_steps(struct trainer *t)
{
	const struct trainer_options *o = &t->options;
	struct train_plan *plan = &t->plan;

	plan->batches = o->steps ? (uint64_t)o->steps * o->accumulate :
				   count_batches(t);
	plan->steps = (plan->batches + o->accumulate - 1) / o->accumulate;
	if (!trainer_measures(t))
		return bound(t, &plan->most);
	memset(&plan->most, 0, sizeof(plan->most));
	measure(t, SIZE_MAX, &plan->most);
	measure_eval(t, SIZE_MAX, &plan->most);
	return 0;
}

static void count_tokens(struct trainer *t)
{
	const struct samples *s = t->data.samples;
	size_t per_epoch = pack_count(&t->data, 0), tokens = 0;

	for (size_t i = 0; i < s->n; i++)
		tokens += t->options.pack.front +
			  size_min(s->start[i + 1] - s->start[i],
				   t->options.pack.length);
	t->plan.tokens_per_step = (double)tokens / (double)per_epoch *
				  (double)t->options.accumulate;
}

void trainer_cost(struct trainer *t)
{
	struct program_need *need = &t->plan.need;
	struct train_plan *plan = &t->plan;
	uint64_t *by = plan->bytes.by;

	memset(&plan->bytes, 0, sizeof(plan->bytes));
	program_cost(t->program, t->pool, need, &plan->bytes);
	by[BYTES_ADAPTER] += adapter_set_bytes(t->set, 0) +
			     adapter_set_bytes(t->set, 1);
	for (size_t i = 0; i < t->set->n; i++)
		by[BYTES_ADAPTER] += t->set->at[i].own_bytes;
	if (!plan->page_optimizer)
		by[BYTES_OPTIMIZER] += optim_bytes(t->options.optim,
						   &t->options.move, t->set);
	by[BYTES_WORKSPACE] += loss_bytes(t->program, need) +
			       pack_bytes(&plan->most) *
			       (t->has_eval ? 2 : 1) +
			       (plan->most.sequences + 1) * sizeof(size_t);
	by[BYTES_DATA] = samples_bytes(t->data.samples) +
			 (t->has_eval ? samples_bytes(t->eval.samples) : 0);
}

uint64_t trainer_total(const struct bytes_plan *b)
{
	uint64_t sum = 0;

	for (int i = 0; i < BYTES_CLASSES; i++)
		sum += b->by[i];
	return sum;
}

/* What is there already (adapter, data, and weights but for pages that are not)
 * does not need what is free. */
static uint64_t to_come(const struct trainer *t)
{
	const struct bytes_plan *b = &t->plan.bytes;
	const struct page_owner *o = program_base(t->program)->pages;
	uint64_t away = o ? pager_page_bytes(o->page, o->n) - o->here : 0;

	return trainer_total(b) - b->by[BYTES_WEIGHTS] + away -
	       b->by[BYTES_ADAPTER] - b->by[BYTES_DATA];
}

/* Bytes of the plan that are in memory before trainer_start(). */
static uint64_t here(const struct trainer *t)
{
	const struct train_plan *plan = &t->plan;
	const struct page_owner *o = program_base(t->program)->pages;
	uint64_t paged = o ? pager_page_bytes(o->page, o->n) : 0;

	return plan->bytes.by[BYTES_WEIGHTS] -
	       (plan->capacity ? plan->capacity : paged) +
	       (o ? o->here : 0) + adapter_set_bytes(t->set, 0) +
	       plan->bytes.by[BYTES_DATA];
}

uint64_t trainer_beside(const struct trainer *t)
{
	uint64_t planned = here(t), used;

	os_memory_trim();
	used = os_memory_used();
	return used > planned ? used - planned : 0;
}

static int fits(struct trainer *t, const struct train_limit *l)
{
	const struct bytes_plan *b = &t->plan.bytes;

	trainer_cost(t);
	return l->budget ? trainer_total(b) <= l->budget :
			   !l->free || to_come(t) <= l->free;
}

/* With the fewest recomputed layers, from least on. */
static int fits_recomputed(struct trainer *t, const struct train_limit *l,
			   size_t least)
{
	size_t layers = program_layers(t->program);
	struct program_need *need = &t->plan.need;

	for (need->recompute = least; need->recompute <= layers;
	     need->recompute++)
		if (fits(t, l))
			return 1;
	return 0;
}

/* Batches are run in parts of at most so many tokens, which are the same parts
 * where that is what the largest of them has. Those of an evaluation, which
 * takes less of a token, are no larger, unless a sequence is; but in pages,
 * where each part is planned by itself, they are as large as they may be. */
static void cut(struct trainer *t, size_t tokens)
{
	struct program_need *need = &t->plan.need;
	struct pack_most most = { 0 };

	if (trainer_measures(t)) {
		measure(t, tokens, &most);
		measure_eval(t, need->visits ? tokens :
			     size_max(most.tokens, t->plan.most.longest),
			     &most);
	} else {
		most = t->plan.most;
		most.tokens = size_min(most.tokens, tokens);
	}
	need->tokens = most.tokens;
	need->sequences = most.sequences;
	need->rows = most.targets;
}

int trainer_fits_cut(struct trainer *t, const struct train_limit *l,
		     size_t most, size_t least, train_fits_fn *fits_so)
{
	size_t at_once = most;

	for (size_t parts = 1; cut(t, at_once), !fits_so(t, l); parts++) {
		if (at_once == least)
			return 0;
		at_once = size_max(size_ceil(most, parts + 1), least);
	}
	return 1;
}

/* Rows with which a product is still at its full speed, nearly. */
enum { GOOD_ROWS = 256 };

static struct train_limit limit_of(const struct trainer *t)
{
	struct train_limit l = { t->options.budget, os_memory_free(),
				 UINT64_MAX };

	if (l.budget)
		l.most = l.budget;
	else if (l.free)
		l.most = l.free + os_memory_used();
	return l;
}

/* A batch in parts costs little while these are not small; then layers are
 * computed twice; at last, parts are as small as a sequence. */
static int fit(struct trainer *t)
{
	struct train_limit l = limit_of(t);
	size_t whole = t->plan.most.tokens, good, least = whole;
	struct program_need *need = &t->plan.need;

	if (adapter_set_by_sequence(t->set))
		least = size_min(t->plan.most.longest, whole);
	good = size_max(least, size_min(GOOD_ROWS, whole));
	*need = (struct program_need){ .train = 1 };
	if (!t->options.page_memory && !t->options.page_optimizer) {
		if (trainer_fits_cut(t, &l, whole, good, fits) ||
		    fits_recomputed(t, &l, 1))
			return 0;
		cut(t, least);
		if (fits_recomputed(t, &l, 0))
			return 0;
	}
	if (trainer_fit_paged(t, &l, least))
		return 0;
	if (t->options.page_memory &&
	    (!l.budget || trainer_total(&t->plan.bytes) <= l.budget))
		return err_set(E_NOMEM, "--page-memory: two layers in a row "
			       "and what they pass on take %llu KiB",
			       (unsigned long long)(t->plan.least >> 10) + 1);
	return err_set(E_NOMEM, "the least plan takes %llu MiB, there are %llu;"
		       " shorter rows (--length) or fewer (-b) take less",
		       (unsigned long long)size_mib(trainer_total(
				&t->plan.bytes)),
		       (unsigned long long)(l.most >> 20));
}

int trainer_make_plan(struct trainer *t)
{
	const struct trainer_options *o = &t->options;
	size_t vocab = program_vocab(t->program);
	size_t longest = program_longest(t->program);

	TRY(check_tokens(t->data.samples, vocab, "data"));
	TRY(check_lengths(t->data.samples, longest, "data"));
	if (t->has_eval) {
		TRY(check_tokens(t->eval.samples, vocab, "evaluation data"));
		TRY(check_lengths(t->eval.samples, longest,
				  "evaluation data"));
	}
	TRY(count_steps(t));
	TRY(adapter_set_check(t->set, t->plan.steps));
	count_tokens(t);
	t->state.steps = t->plan.steps;
	t->schedule = (struct schedule){
		.kind = o->schedule,
		.warmup = o->warmup_steps,
		.total = t->plan.steps,
		.least = o->min_lr_rate,
	};
	if (!o->warmup_steps && t->plan.steps >= o->warmup_least)
		t->schedule.warmup = schedule_warmup(t->plan.steps,
						     o->warmup_ratio);
	return fit(t);
}

/* ---- the estimate ---- */

enum { TRIES = 3 };

/* Seconds of one product of w with n rows, the best of some. */
static int time_product(struct pool *pool, const struct weight *w, size_t n,
			double *seconds)
{
	struct arena memory;
	size_t bytes = 0, space = gemm_space(pool, n, w->cols, 1);
	struct gemm_output o = { .n = w->rows, .stride = w->rows, .nterm = 1 };
	void *at;

	arena_plan(&bytes, space);
	arena_plan(&bytes, n * w->cols * sizeof(float));
	arena_plan(&bytes, n * w->rows * sizeof(float));
	TRY(arena_init(&memory, bytes));
	at = arena_get(&memory, space);
	o.term[0] = weight_term(w, arena_get(&memory,
					     n * w->cols * sizeof(float)),
				w->cols, GEMM_NT);
	o.y = arena_get(&memory, n * w->rows * sizeof(float));
	*seconds = INFINITY;
	for (int i = 0; i < TRIES; i++) {
		double start = os_seconds();

		gemm(pool, at, n, &o, 1);
		*seconds = fmin(*seconds, os_seconds() - start);
	}
	arena_release(&memory);
	return 0;
}

int trainer_estimate(struct trainer *t, double *seconds)
{
	const struct program_module *m;
	size_t n = program_modules(t->program, &m), tokens;
	const struct weight *w = NULL;
	double flops, time, passes;
	int err;

	for (size_t i = 0; i < n; i++)
		if (m[i].role == ROLE_LINEAR &&
		    (!w || m[i].weight->rows * m[i].weight->cols >
				   w->rows * w->cols))
			w = m[i].weight;
	*seconds = 0;
	if (!w)
		return 0;
	tokens = size_min(t->plan.most.tokens, 1024);
	TRY(tensor_set_borrow(program_base(t->program), w->tensor));
	err = time_product(t->pool, w, tokens, &time);
	TRY(tensor_set_return(program_base(t->program), w->tensor));
	TRY(err);
	flops = 2 * (double)tokens * (double)w->rows * (double)w->cols;
	/* Forward, backward, and the layers that are computed again. */
	passes = 2 + (double)t->plan.need.recompute /
			     (double)program_layers(t->program);
	*seconds = program_flops(t->program) * t->plan.tokens_per_step *
		   passes * time / flops;
	return 0;
}
