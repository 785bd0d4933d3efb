/*
 * task_exact - does the model write the very answer?
 *
 * A record is {"prompt" (or "question"): text, "answer" (or "completion"):
 * text}, or {"messages": [...]} whose last message is the assistant's; those
 * are asked through the model's chat template. The answer is written greedily
 * until a stop token or a line's end (not in chats), and compared without
 * the white space around it: exact_match.
 */
#include <stdlib.h>
#include <string.h>

#include "infer/task.h"

struct exact {
	const struct task_run *run;
	struct scorer *s;
	struct sampler *sampler;
	uint32_t *id;           /* written so far */
	size_t nid, n;
	double right;
};

static const char *first_text(json_t *o, const char *a, const char *b)
{
	return json_text(o, a, json_text(o, b, NULL));
}

/* The prompt's text (allocated) and the wanted answer (borrowed). */
static int question(const struct task_run *r, json_t *record, char **prompt,
		    const char **answer)
{
	json_t *messages = json_object_get(record, "messages");
	size_t n = json_array_size(messages);
	const char *text;

	if (n > 1) {
		*answer = json_text(json_array_get(messages, n - 1), "content",
				    NULL);
		if (!*answer)
			return err_set(E_DATA, "the last message is empty");
		return r->text->render(r->text->ctx, messages, n - 1, prompt);
	}
	text = first_text(record, "prompt", "question");
	*answer = first_text(record, "answer", "completion");
	if (!text || !*answer)
		return err_set(E_DATA, "want \"prompt\" and \"answer\", or "
			       "\"messages\"");
	*prompt = strdup(text);
	return *prompt ? 0 : err_set(E_NOMEM, "out of memory");
}

static int keep(void *ctx, uint32_t id, int is_stop)
{
	struct exact *e = ctx;

	if (!is_stop)
		e->id[e->nid++] = id;
	return 0;
}

static int same_text(const char *a, const char *b, int to_line_end)
{
	static const char space[] = " \t\r\n";
	size_t na, nb;

	a += strspn(a, space);
	b += strspn(b, space);
	na = to_line_end ? strcspn(a, "\n") : strlen(a);
	nb = strlen(b);
	while (na && strchr(space, a[na - 1]))
		na--;
	while (nb && strchr(space, b[nb - 1]))
		nb--;
	return na == nb && !memcmp(a, b, na);
}

static int log_record(struct exact *e, json_t *record, const char *wrote,
		      int right)
{
	json_t *o = json_pack("{s:I,s:O,s:[s],s:i}", "doc_id",
			      (json_int_t)e->n, "doc", record, "resps", wrote,
			      "exact_match", right);
	int err;

	if (!o) /* what the model wrote is no UTF-8 */
		o = json_pack("{s:I,s:O,s:i}", "doc_id", (json_int_t)e->n,
			      "doc", record, "exact_match", right);
	if (!o)
		return err_set(E_NOMEM, "out of memory");
	err = e->run->sample(e->run->ctx, o);
	json_decref(o);
	return err;
}

static int ask(struct exact *e, const char *prompt, int chat)
{
	const struct text_codec *t = e->run->text;
	struct decode_need need = {
		.stop = t->stop, .nstop = t->nstop,
		.most = e->run->options->most,
	};
	struct text_ids ids;
	int err;

	TRY(t->encode(t->ctx, prompt, strlen(prompt), chat, &ids));
	e->nid = 0;
	if (ids.n + need.most > e->run->options->window)
		err = err_set(E_DATA, "%zu tokens and %zu to write, room for "
			      "%zu", ids.n, need.most,
			      e->run->options->window);
	else
		err = decode(e->s, e->sampler, ids.at, ids.n, &need, keep, e);
	free(ids.at);
	return err;
}

/* When the records are in memory, which the plan counts. */
static int begin(struct exact *e)
{
	const struct task_options *o = e->run->options;
	struct scorer_need need = {
		.tokens = 256, .sequences = 1, .cache_tokens = o->window,
		.slots = 1, .memory = o->memory,
	};

	return e->s ? 0 : scorer_new(&e->s, e->run->program, e->run->pool,
				     &need);
}

static int take(void *ctx, json_t *record, size_t number)
{
	struct exact *e = ctx;
	const struct text_codec *t = e->run->text;
	int chat = json_is_array(json_object_get(record, "messages")), right;
	const char *answer;
	char *prompt = NULL, *wrote = NULL;
	int err = question(e->run, record, &prompt, &answer);

	(void)number;
	if (!err)
		err = begin(e);
	if (!err)
		err = task_prompt(e->run, e->s, record);
	if (!err)
		err = ask(e, prompt, chat);
	if (!err)
		err = t->decode(t->ctx, e->id, e->nid, &wrote);
	if (!err) {
		right = same_text(wrote, answer, !chat);
		e->right += right;
		if (e->run->sample)
			err = log_record(e, record, wrote, right);
		e->n++;
	}
	free(wrote);
	free(prompt);
	return err;
}

static int prepare(struct exact *e)
{
	struct sampling greedy = { .top_p = 1, .repetition_penalty = 1 };

	e->id = malloc((e->run->options->most + 1) * sizeof(*e->id));
	if (!e->id)
		return err_set(E_NOMEM, "out of memory");
	return sampler_new(&e->sampler, &greedy,
			   program_vocab(e->run->program));
}

static int exact(const struct task_run *r)
{
	struct exact e = { .run = r };
	int err = prepare(&e);

	if (!err)
		err = task_records(r->options->data, r->options->limit, take,
				   &e);
	scorer_free(e.s);
	sampler_free(e.sampler);
	free(e.id);
	TRY(err);
	return task_put_mean(r, "exact", "exact_match", e.right, e.right, e.n);
}

const struct task task_exact = {
	.name = "exact",
	.brief = "greedy answers that are exactly the wanted ones",
	.run = exact,
};
