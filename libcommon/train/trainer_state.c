/* trainer_state - where a run stands, as JSON, and going on from there */
#include "train/trainer.h"

json_t *trainer_state(const struct trainer *t)
{
	const struct train_state *s = &t->state;
	json_t *j = json_pack(
		"{s:b, s:I, s:I, s:I, s:f, s:I, s:I}", "finished", s->finished,
		"step", (json_int_t)s->step, "steps", (json_int_t)s->steps,
		"num_input_tokens_seen", (json_int_t)s->tokens, "epoch",
		trainer_epoch(t), "at_epoch", (json_int_t)s->place.epoch,
		"at_sample", (json_int_t)s->place.sample);

	if (j && s->best_step &&
	    (json_object_set_new(j, "best_eval_loss", json_real(s->best)) ||
	     json_object_set_new(j, "best_step",
				 json_integer((json_int_t)s->best_step)) ||
	     json_object_set_new(j, "evals_since_best",
				 json_integer((json_int_t)s->worse)))) {
		json_decref(j);
		return NULL;
	}
	return j;
}

static int get_count(json_t *state, const char *key, uint64_t *to)
{
	json_t *v = json_object_get(state, key);

	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return err_set(E_DATA, "the state of training has no %s", key);
	*to = (uint64_t)json_integer_value(v);
	return 0;
}

/* Batches are measured from the run's first on: these must be the same, or
 * they could be larger than the plan knows. */
static int check_place(struct trainer *t, const struct train_state *s)
{
	struct pack_place here;

	if (!trainer_measures(t))
		return 0;
	here = pack_skip(&t->data, s->step * t->options.accumulate);
	if (here.epoch == s->place.epoch && here.sample == s->place.sample)
		return 0;
	return err_set(E_DATA, "step %llu of this run is at sample %zu of "
		       "epoch %llu, the state's at %zu of %llu: continue with "
		       "the run's options", (unsigned long long)s->step,
		       here.sample + 1, (unsigned long long)here.epoch + 1,
		       s->place.sample + 1,
		       (unsigned long long)s->place.epoch + 1);
}

int trainer_restore(struct trainer *t, json_t *state,
		    const struct tensor_set *tensors)
{
	struct train_state s = { 0 };
	uint64_t sample;

	TRY(get_count(state, "step", &s.step));
	TRY(get_count(state, "steps", &s.steps));
	TRY(get_count(state, "num_input_tokens_seen", &s.tokens));
	TRY(get_count(state, "at_epoch", &s.place.epoch));
	TRY(get_count(state, "at_sample", &sample));
	s.place.sample = (size_t)sample;
	if (json_object_get(state, "best_step")) {
		TRY(get_count(state, "best_step", &s.best_step));
		TRY(get_count(state, "evals_since_best", &s.worse));
		s.best = json_number(state, "best_eval_loss", 0);
	}
	if (s.steps != t->plan.steps || s.step >= s.steps)
		return err_set(E_DATA, "the state is at step %llu of %llu, "
			       "this run has %llu",
			       (unsigned long long)s.step,
			       (unsigned long long)s.steps,
			       (unsigned long long)t->plan.steps);
	TRY(check_place(t, &s));
	TRY(pack_seek(&t->data, s.place));
	TRY(optim_load(&t->optim, tensors));
	t->optim.t = s.step;
	t->state = s;
	return 0;
}

int trainer_tensors(const struct trainer *t, adapter_tensor_fn *fn, void *ctx)
{
	return optim_tensors(&t->optim, fn, ctx);
}
