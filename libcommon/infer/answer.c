#include "infer/answer.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "infer/task.h"

struct waiting {
	json_t *record;
	struct text_ids ids;
};

struct answering {
	const struct text_codec *text;
	const struct answer_options *o;
	struct program *program;
	struct pool *pool;
	struct sampler *sampler;
	struct waiting w[SCORER_ROWS];
	struct decode_request r[SCORER_ROWS];
	size_t n;               /* of these in use */
	int (*fn)(void *ctx, json_t *record);
	void *ctx;
};

static json_t *message(const char *role, const char *content)
{
	return json_pack("{ss ss}", "role", role, "content", content);
}

/* A prompt's text through the chat template. */
static int render_prompt(const struct answering *a, const char *prompt,
			 char **text)
{
	json_t *m = json_array();
	size_t n = 1 + (a->o->system != NULL);
	int bad = !m, err;

	if (a->o->system)
		bad |= json_array_append_new(m, message("system",
							a->o->system));
	bad |= json_array_append_new(m, message("user", prompt));
	err = bad ? err_set(E_NOMEM, "out of memory") :
	      a->text->render(a->text->ctx, m, n, text);
	json_decref(m);
	return err;
}

/* The text that is written on from, and whether it is a rendered chat. */
static int question(const struct answering *a, json_t *record, char **text,
		    int *chat)
{
	json_t *messages = json_object_get(record, "messages");
	const char *prompt = json_text(record, "prompt", NULL);

	*chat = a->o->chat || json_array_size(messages);
	if (json_array_size(messages))
		return a->text->render(a->text->ctx, messages,
				       json_array_size(messages), text);
	if (!prompt)
		return err_set(E_DATA, "want \"prompt\" or \"messages\"");
	if (a->o->chat)
		return render_prompt(a, prompt, text);
	*text = strdup(prompt);
	return *text ? 0 : err_set(E_NOMEM, "out of memory");
}

/* A scorer with room for those that wait. */
static int open_scorer(const struct answering *a, struct scorer **s)
{
	struct scorer_need need = { .slots = a->n, .memory = a->o->memory,
				    .sequences = a->n };
	size_t most = 1;

	for (size_t i = 0; i < a->n; i++)
		most = size_max(most, a->w[i].ids.n);
	need.tokens = size_max(size_min(most, 512), a->n);
	need.cache_tokens = most + a->o->most;
	return scorer_new(s, a->program, a->pool, &need);
}

static int give(const struct answering *a, size_t i)
{
	const struct decode_request *r = &a->r[i];
	json_t *text;
	char *wrote;
	int err;

	TRY(a->text->decode(a->text->ctx, r->id, r->nid, &wrote));
	text = json_string(wrote);
	free(wrote);
	if (json_object_set_new(a->w[i].record, "completion", text))
		return err_set(E_DATA, "what the model wrote is no UTF-8 "
			       "text");
	err = a->fn(a->ctx, a->w[i].record);
	return err;
}

static void drop(struct answering *a)
{
	for (size_t i = 0; i < a->n; i++) {
		json_decref(a->w[i].record);
		free(a->w[i].ids.at);
		free(a->r[i].id);
	}
	memset(a->w, 0, sizeof(a->w));
	memset(a->r, 0, sizeof(a->r));
	a->n = 0;
}

/* Answers those that wait. */
static int flush(struct answering *a)
{
	const struct decode_need need = {
		.stop = a->text->stop, .nstop = a->text->nstop,
		.most = a->o->most,
	};
	struct scorer *s = NULL;
	int err;

	if (!a->n)
		return 0;
	err = open_scorer(a, &s);
	if (!err)
		err = decode_many(s, a->sampler, a->r, a->n, &need);
	scorer_free(s);
	for (size_t i = 0; i < a->n && !err; i++)
		err = give(a, i);
	drop(a);
	return err;
}

static int take(void *ctx, json_t *record, size_t number)
{
	struct answering *a = ctx;
	struct decode_request *r = &a->r[a->n];
	struct waiting *w = &a->w[a->n];
	char *text = NULL;
	int chat, err;

	(void)number;
	TRY(by_field_number(&r->front, a->o->field, record));
	TRY(question(a, record, &text, &chat));
	w->record = json_incref(record);
	r->id = calloc(a->o->most + 1, sizeof(*r->id));
	a->n++;
	err = r->id ? a->text->encode(a->text->ctx, text, strlen(text), chat,
				      &w->ids) :
		      err_set(E_NOMEM, "out of memory");
	free(text);
	r->prompt = w->ids.at;
	r->n = w->ids.n;
	return err || a->n < a->o->at_once ? err : flush(a);
}

int answer_all(struct program *p, struct pool *pool,
	       const struct text_codec *text, const struct answer_options *o,
	       int (*fn)(void *ctx, json_t *record), void *ctx)
{
	struct answering a = {
		.text = text, .o = o, .program = p, .pool = pool,
		.fn = fn, .ctx = ctx,
	};
	int err;

	if (!o->at_once || o->at_once > SCORER_ROWS)
		return err_set(E_USAGE, "--batch-size %zu: want 1 to %d",
			       o->at_once, SCORER_ROWS);
	TRY(sampler_new(&a.sampler, &o->how, program_vocab(p)));
	err = task_records(o->data, 0, take, &a);
	if (!err)
		err = flush(&a);
	drop(&a);
	sampler_free(a.sampler);
	return err;
}
