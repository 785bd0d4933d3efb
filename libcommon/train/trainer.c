#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "base/size.h"

/* ---- where the time goes ---- */

/* Adds what has passed since start. */
static void spend(double *seconds, double start)
{
	*seconds += os_seconds() - start;
}

static const struct batch *next_batch(struct trainer *t, struct pack *from)
{
	double start = os_seconds();
	const struct batch *b = pack_next(from);

	spend(&t->time.data, start);
	return b;
}

int trainer_loss(struct trainer *t, const struct batch *b, struct mat last,
		 int train, double *nll)
{
	double start = os_seconds();
	unsigned long long sample;
	size_t bad;

	loss_run(&t->loss, b, last, train, nll, &bad);
	spend(&t->time.loss, start);
	if (bad == SIZE_MAX)
		return 0;
	sample = (unsigned long long)b->sample[bad] + 1;
	if (!train)
		return err_set(E_DATA, "evaluation: the loss of sample %llu is "
			       "not finite", sample);
	return err_set(E_DATA, "step %llu: the loss of sample %llu is not "
		       "finite", (unsigned long long)t->state.step + 1,
		       sample);
}

/* ---- a step ---- */

/* Forward, loss, backward; adds to the gradients. */
static int run_part(struct trainer *t, const struct batch *b, double *nll)
{
	struct program_pass pass = {
		.batch = b, .train = 1, .step = (uint32_t)t->state.step,
	};
	struct mat last;

	if (!b->ntarget)
		return 0;
	last = program_forward(t->program, &pass);
	TRY(trainer_loss(t, b, last, 1, nll));
	program_backward(t->program, &pass,
			 mat_rows(t->loss.dlast, 0, b->n));
	return 0;
}

/* In as many parts as the plan has room for. */
static int run_batch(struct trainer *t, const struct batch *b, double *nll)
{
	size_t next = 0, most = t->plan.need.tokens;
	struct batch part;

	t->last.tokens += b->n - b->nseq * t->options.pack.front;
	t->last.labels += b->ntarget;
	if (t->paging) {
		paging_add(t->paging, b);
		return 0;
	}
	while (batch_part(&part, b, &next, most, t->part_start))
		TRY(run_part(t, &part, nll));
	return 0;
}

static size_t batches_of_step(const struct trainer *t)
{
	uint64_t done = t->state.step * t->options.accumulate;

	return size_min(t->options.accumulate,
			(size_t)(t->plan.batches - done));
}

static int accumulate(struct trainer *t, double *nll)
{
	double start = os_seconds();

	adapter_set_clear(t->set);
	spend(&t->time.optimizer, start);
	t->last.tokens = t->last.labels = 0;
	*nll = 0;
	for (size_t i = batches_of_step(t); i > 0; i--) {
		const struct batch *b = next_batch(t, &t->data);

		if (!t->last.tokens)
			t->first_sample = (size_t)b->sample[0];
		t->last_sample = (size_t)b->sample[b->nseq - 1];
		TRY(run_batch(t, b, nll));
	}
	return t->paging ? trainer_paged_run(t, 1, nll) : 0;
}

/* What the gradient sums are multiplied by: 1 / label tokens, and clipping
 * with PyTorch's epsilon. */
static double gradient_scale(const struct trainer *t)
{
	double most = t->options.max_grad_norm, scale;

	scale = t->last.labels ? 1 / (double)t->last.labels : 0;
	if (most > 0 && most < t->last.grad_norm + 1e-6)
		scale *= most / (t->last.grad_norm + 1e-6);
	return scale;
}

static int is_due(const struct trainer *t, size_t every)
{
	return every && t->state.step % every == 0;
}

/* What adapters do between steps, or let a filter do. */
static int settle(struct trainer *t, float scale)
{
	size_t every = t->options.filter_every;
	struct adapt_step at = {
		.done = t->state.step, .all = t->state.steps,
		.scale = scale, .elsewhere = every > 0,
	};

	TRY(adapter_set_settle(t->set, &at));
	if (every && (at.final || at.done == at.all || is_due(t, every)))
		return t->calls.filter(t->calls.ctx, t);
	return 0;
}

/* Paged, each layer is refreshed when it is visited. */
static int refresh(struct trainer *t)
{
	return t->paging ? 0 : program_refresh(t->program, t->pool);
}

/* Moves the parameters, unless they have been, layer by layer. */
static int move(struct trainer *t)
{
	if (t->plan.page_optimizer)
		return trainer_moves_together(t) ? 0 : trainer_paged_move(t);
	optim_step(&t->optim, t->pool, t->last.lr, t->scale);
	return 0;
}

static int step(struct trainer *t)
{
	double nll, labels, start, penalty;

	t->last.lr = t->options.lr *
		     schedule_factor(&t->schedule, t->state.step);
	TRY(refresh(t));
	TRY(accumulate(t, &nll));
	start = os_seconds();
	adapter_set_gathered(t->set);
	labels = (double)size_max(t->last.labels, 1);
	TRY(adapter_set_penalty(t->set, t->pool, labels, &penalty));
	t->last.loss = nll / labels + penalty;
	t->last.grad_norm = optim_norm(&t->optim, t->pool) / labels;
	if (!isfinite(t->last.grad_norm))
		return err_set(E_DATA, "step %llu: the gradient of samples %zu "
			       "to %zu is not finite",
			       (unsigned long long)t->state.step + 1,
			       t->first_sample + 1, t->last_sample + 1);
	t->scale = (float)gradient_scale(t);
	TRY(move(t));
	spend(&t->time.optimizer, start);
	t->state.step++;
	t->steps_run++;
	t->state.tokens += t->last.tokens;
	t->state.place = t->data.place;
	return settle(t, t->scale);
}

/* ---- evaluation ---- */

static int evaluate_part(struct trainer *t, const struct batch *b, double *nll)
{
	struct program_pass pass = { .batch = b };

	if (!b->ntarget)
		return 0;
	return trainer_loss(t, b, program_forward(t->program, &pass), 0, nll);
}

static int evaluate_batch(struct trainer *t, const struct batch *b,
			  double *nll)
{
	size_t next = 0, most = t->plan.need.tokens;
	struct batch part;

	if (t->paging) {
		paging_add(t->paging, b);
		return paging_full(t->paging) ? trainer_paged_run(t, 0, nll) :
						0;
	}
	while (batch_part(&part, b, &next, most, t->part_start))
		TRY(evaluate_part(t, &part, nll));
	return 0;
}

int trainer_evaluate(struct trainer *t, double *loss)
{
	size_t count = pack_count(&t->eval, 0), labels = 0;
	double nll = 0;

	TRY(refresh(t));
	while (count--) {
		const struct batch *b = next_batch(t, &t->eval);

		labels += b->ntarget;
		TRY(evaluate_batch(t, b, &nll));
	}
	if (t->paging)
		TRY(trainer_paged_run(t, 0, &nll));
	*loss = nll / (double)labels;
	return 0;
}

static int log_line(struct trainer *t, json_t *line)
{
	double start = os_seconds();
	int err = 0;

	if (!line)
		return err_set(E_NOMEM, "out of memory");
	if (t->calls.log)
		err = t->calls.log(t->calls.ctx, line);
	json_decref(line);
	spend(&t->time.output, start);
	return err;
}

static int evaluate(struct trainer *t)
{
	struct train_state *s = &t->state;
	double loss;

	TRY(trainer_evaluate(t, &loss));
	t->last.eval_loss = loss;
	TRY(log_line(t, json_pack("{s:I, s:f, s:f}", "step",
				  (json_int_t)s->step, "epoch",
				  trainer_epoch(t), "eval_loss", loss)));
	if (s->best_step && loss >= s->best) {
		s->worse++;
		return 0;
	}
	s->best = loss;
	s->best_step = s->step;
	s->worse = 0;
	return t->calls.best ? t->calls.best(t->calls.ctx, t) : 0;
}

/* ---- the run ---- */

static int log_step(struct trainer *t)
{
	const struct train_step *l = &t->last;

	return log_line(t, json_pack(
		"{s:I, s:f, s:f, s:f, s:f, s:I, s:I}", "step",
		(json_int_t)t->state.step, "epoch", trainer_epoch(t), "loss",
		l->loss, "grad_norm", l->grad_norm, "learning_rate", l->lr,
		"num_input_tokens_seen", (json_int_t)t->state.tokens,
		"label_tokens", (json_int_t)l->labels));
}

static int checkpoint(struct trainer *t)
{
	double start = os_seconds();
	int err = t->calls.checkpoint(t->calls.ctx, t);

	spend(&t->time.output, start);
	return err;
}

/* After a step: evaluation, the end, a checkpoint. */
static int look_around(struct trainer *t)
{
	struct train_state *s = &t->state;
	const struct trainer_options *o = &t->options;
	int last = s->step == s->steps;

	if (t->has_eval && (last || is_due(t, o->eval_every)))
		TRY(evaluate(t));
	s->finished = last || (o->patience && s->worse >= o->patience);
	if (!s->finished && is_due(t, o->checkpoint_every) &&
	    t->calls.checkpoint)
		TRY(checkpoint(t));
	return 0;
}

static int steps(struct trainer *t)
{
	while (!t->state.finished) {
		if (t->options.stop_after &&
		    t->state.step >= t->options.stop_after)
			return 0;
		TRY(step(t));
		TRY(log_step(t));
		TRY(look_around(t));
		if (t->calls.progress)
			t->calls.progress(t->calls.ctx, t);
		if (!t->state.finished && t->calls.stopping &&
		    t->calls.stopping(t->calls.ctx))
			return err_set(E_AGAIN, "stopped at step %llu",
				       (unsigned long long)t->state.step);
	}
	return 0;
}

int trainer_run(struct trainer *t)
{
	double start = os_seconds();
	int err = steps(t);

	spend(&t->time.run, start);
	return err;
}

double trainer_epoch(const struct trainer *t)
{
	const struct pack_place *at = &t->state.place;

	return (double)at->epoch +
	       (double)at->sample / (double)t->data.samples->n;
}

/* ---- life ---- */

int trainer_new(struct trainer **trainer, struct program *p,
		struct adapter_set *set, struct pool *pool,
		const struct samples *data, const struct samples *eval,
		const struct trainer_options *o,
		const struct trainer_calls *calls)
{
	struct trainer *t = calloc(1, sizeof(*t));
	struct pack_options once;

	*trainer = t;
	if (!t)
		return err_set(E_NOMEM, "out of memory");
	t->options = *o;
	t->calls = *calls;
	t->program = p;
	t->set = set;
	t->pool = pool;
	t->options.pack.front = program_front(p, 0);
	t->options.pack.predicts = program_predicts(p, 0);
	once = t->options.pack;
	TRY(pack_init(&t->data, data, &once));
	once.shuffle = 0;
	t->has_eval = eval != NULL;
	if (eval && pack_init(&t->eval, eval, &once))
		return err_at(E_DATA, "evaluation data");
	return trainer_make_plan(t);
}

int trainer_start(struct trainer *t)
{
	TRY(program_plan(t->program, t->pool, &t->plan.need));
	TRY(pack_plan(&t->data, &t->plan.most));
	if (t->has_eval)
		TRY(pack_plan(&t->eval, &t->plan.most));
	t->part_start = calloc(t->plan.most.sequences + 1, sizeof(size_t));
	if (!t->part_start)
		return err_set(E_NOMEM, "out of memory");
	TRY(loss_init(&t->loss, t->program, t->pool, &t->plan.need));
	TRY(trainer_pages(t));
	return trainer_optimizer(t);
}

void trainer_free(struct trainer *t)
{
	if (!t)
		return;
	paging_free(t->paging);
	pack_release(&t->data);
	pack_release(&t->eval);
	loss_release(&t->loss);
	free(t->part_start);
	free(t->segment);
	free(t->state_at);
	free(t->state_bytes);
	optim_release(&t->optim);
	free(t);
}
