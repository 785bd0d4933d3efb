/*
 * task_loss - the mean loss over label tokens of samples
 *
 * loss (nats a token), ppl = exp(loss), tokens. A sample's line: the losses of
 * its label tokens, in order.
 */
#include "base/math.h"
#include "base/size.h"
#include "infer/task.h"

struct sum {
	const struct task_run *run;
	double loss;
	size_t tokens;
	size_t first;           /* token of the sample that counts: only a
				 * soft prompt predicts token 0 */
};

static int log_sample(struct sum *s, const double *nll, size_t n,
		      const int32_t *label)
{
	json_t *line = json_array();
	int err = line ? 0 : err_set(E_NOMEM, "out of memory");

	for (size_t i = s->first; i < n && !err; i++)
		if (label[i] != LABEL_NONE &&
		    json_array_append_new(line, json_real(nll[i])))
			err = err_set(E_NOMEM, "out of memory");
	if (!err)
		err = s->run->sample(s->run->ctx, line);
	json_decref(line);
	return err;
}

static int add(void *ctx, size_t sample, const double *nll, size_t n)
{
	struct sum *s = ctx;
	const struct samples *data = s->run->samples;
	const int32_t *label = data->label + data->start[sample];

	s->first = !program_predicts(s->run->program,
				     data->prompt ? data->prompt[sample] : 0);
	for (size_t i = s->first; i < n; i++) {
		if (label[i] == LABEL_NONE)
			continue;
		s->loss += nll[i];
		s->tokens++;
	}
	return s->run->sample ? log_sample(s, nll, n, label) : 0;
}

static size_t longest(const struct samples *data)
{
	size_t most = 1;

	for (size_t i = 0; i < data->n; i++)
		most = size_max(most, data->start[i + 1] - data->start[i]);
	return most;
}

static int put(const struct task_run *r, const struct sum *s)
{
	double loss = s->loss / (double)s->tokens;

	TRY(task_put(r, "loss", json_real(loss)));
	TRY(task_put(r, "ppl", json_finite(math_exp64(loss))));
	return task_put(r, "tokens", json_integer((json_int_t)s->tokens));
}

static int loss(const struct task_run *r)
{
	struct scorer_need need = {
		.tokens = size_max(512, longest(r->samples)), .sequences = 64,
		.memory = r->options->memory,
	};
	struct sum sum = { .run = r };
	struct scorer *s;
	int err;

	TRY(scorer_new(&s, r->program, r->pool, &need));
	err = score_samples(s, r->samples, add, &sum);
	scorer_free(s);
	TRY(err);
	if (!sum.tokens)
		return err_set(E_DATA, "no token of the data carries loss");
	return put(r, &sum);
}

const struct task task_loss = {
	.name = "loss",
	.brief = "mean loss over the label tokens of the data",
	.wants_samples = 1,
	.run = loss,
};
