/* generate_until: what the model writes, greedily, up to a text that ends
 * it. */
#include <stdlib.h>
#include <string.h>

#include "infer/task_file.h"

struct writing {
	struct sampler *sampler;
	uint32_t *id;           /* (nid) written so far */
	size_t nid;
	char *text;             /* theirs, cut at what ends it */
};

/* An answer that is complete; no error code. */
enum { COMPLETE = -1 };

static int start(struct file_run *f)
{
	struct sampling greedy = { .top_p = 1, .repetition_penalty = 1 };
	struct scorer_need need = {
		.tokens = 256, .sequences = 1, .cache_tokens = f->window,
		.slots = 1, .memory = f->run->options->memory,
	};
	struct writing *w = calloc(1, sizeof(*w));

	f->own = w;
	if (!w || !(w->id = malloc((f->spec.most + 1) * sizeof(*w->id))))
		return err_set(E_NOMEM, "out of memory");
	if (f->spec.most >= f->window)
		return err_set(E_DATA, "%s: max_gen_toks %zu, and a sequence "
			       "of %zu", f->spec.name, f->spec.most,
			       f->window);
	TRY(sampler_new(&w->sampler, &greedy, program_vocab(f->run->program)));
	return scorer_new(&f->s, f->run->program, f->run->pool, &need);
}

/* Cuts the text at the first of what ends it; is there any? */
static int cut(const struct task_spec *s, char *text)
{
	int found = 0;

	for (size_t i = 0; i < s->nuntil; i++) {
		char *at = strstr(text, s->until[i]);

		if (at)
			*at = 0;
		found |= at != NULL;
	}
	return found;
}

static int keep(void *ctx, uint32_t id, int is_stop)
{
	struct file_run *f = ctx;
	struct writing *w = f->own;
	const struct text_codec *t = f->run->text;

	if (is_stop)
		return 0;
	w->id[w->nid++] = id;
	free(w->text);
	w->text = NULL;
	TRY(t->decode(t->ctx, w->id, w->nid, &w->text));
	return cut(&f->spec, w->text) ? COMPLETE : 0;
}

static int answer(struct file_run *f, const char *context)
{
	struct writing *w = f->own;
	const struct text_codec *t = f->run->text;
	struct decode_need need = {
		.stop = t->stop, .nstop = t->nstop, .most = f->spec.most,
	};
	size_t most = f->window - f->spec.most, from = 0;
	struct text_ids ids;
	int err;

	w->nid = 0;
	free(w->text);
	w->text = strdup("");
	if (!w->text)
		return err_set(E_NOMEM, "out of memory");
	TRY(file_encode(f, context, &ids));
	if (ids.n > most) {
		from = ids.n - most;
		f->truncated++;
	}
	err = decode(f->s, w->sampler, ids.at + from, ids.n - from, &need,
		     keep, f);
	free(ids.at);
	return err == COMPLETE ? 0 : err;
}

/* The texts that are right. */
static int right_texts(struct file_run *f, json_t *doc, json_t **targets)
{
	json_t *choices = NULL, *list;

	if (!f->spec.choices)
		return task_targets(&f->spec, doc, NULL, targets);
	TRY(task_choices(&f->spec, doc, &choices));
	if (task_targets(&f->spec, doc, choices, &list)) {
		json_decref(choices);
		return E_DATA;
	}
	*targets = json_pack("[O]", json_array_get(choices, (size_t)
			     json_integer_value(json_array_get(list, 0))));
	json_decref(choices);
	json_decref(list);
	return *targets ? 0 : err_set(E_NOMEM, "out of memory");
}

static json_t *line(struct file_run *f, const char *context,
		    const char *filtered, const double *value)
{
	const struct writing *w = f->own;
	json_t *o = json_object(), *until = json_array();

	for (size_t i = 0; i < f->spec.nuntil; i++)
		(void)json_array_append_new(until,
					    json_string(f->spec.until[i]));
	(void)json_object_set_new(o, "arguments", json_pack(
		"[[s,{s:o,s:I}]]", context, "until", until, "max_gen_toks",
		(json_int_t)f->spec.most));
	/* What the model wrote may be no UTF-8. */
	(void)json_object_set_new(o, "resps", json_pack("[[s]]", w->text));
	(void)json_object_set_new(o, "filtered_resps",
				  json_pack("[s]", filtered));
	for (size_t i = 0; i < f->spec.nmetric; i++)
		(void)json_object_set_new(o, f->spec.metric[i].name,
					  json_finite(value[i]));
	return o;
}

static int judge(struct file_run *f, json_t *doc, json_t *targets,
		 size_t filter, const char *context)
{
	const struct writing *w = f->own;
	const struct task_filter *how = &f->spec.filter[filter];
	double value[TASK_METRICS] = { 0 };
	char *filtered;
	int err;

	TRY(task_filtered(f->run, how, w->text, &filtered));
	err = 0;
	for (size_t i = 0; i < f->spec.nmetric && !err; i++) {
		err = task_agrees(f->run, &f->spec, &f->spec.metric[i],
				  filtered, targets, &value[i]);
		file_count(f, filter, i, value[i]);
	}
	if (!err && f->run->sample)
		err = file_log(f, doc, json_array_size(targets) == 1 ?
			       json_array_get(targets, 0) : targets, filter,
			       line(f, context, filtered, value));
	free(filtered);
	return err;
}

static int ask(struct file_run *f, json_t *doc, const char *context)
{
	json_t *targets;
	int err;

	TRY(task_prompt(f->run, f->s, doc));
	TRY(right_texts(f, doc, &targets));
	err = answer(f, context);
	for (size_t i = 0; i < f->spec.nfilter && !err; i++)
		err = judge(f, doc, targets, i, context);
	json_decref(targets);
	return err;
}

static void release(struct file_run *f)
{
	struct writing *w = f->own;

	if (!w)
		return;
	sampler_free(w->sampler);
	free(w->id);
	free(w->text);
	free(w);
}

const struct task_type task_write = {
	.name = "generate_until",
	.metrics = "exact_match exact f1",
	.usual = { "exact_match" }, .more = 1,
	.start = start, .ask = ask, .release = release,
};
