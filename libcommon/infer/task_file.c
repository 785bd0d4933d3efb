/* Tasks that a file describes: records, few-shot, results. */
#include "infer/task_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"

static int keep(void *ctx, json_t *record, size_t number)
{
	(void)number;
	return json_array_append(ctx, record)
		       ? err_set(E_NOMEM, "out of memory") : 0;
}

static int read_docs(json_t **docs, const char *path, size_t limit)
{
	*docs = json_array();
	if (!*docs)
		return err_set(E_NOMEM, "out of memory");
	return task_records(path, limit, keep, *docs);
}

/* ---- contexts ---- */

/* What is right, in words. Free *text. */
static int answer_of(const struct task_spec *s, json_t *doc, char **text)
{
	json_t *choices = NULL, *targets = NULL, *right;
	int err = s->choices ? task_choices(s, doc, &choices) : 0;

	*text = NULL;
	if (!err)
		err = task_targets(s, doc, choices, &targets);
	if (!err) {
		right = json_array_get(targets, 0);
		if (choices)
			right = json_array_get(choices, (size_t)
					       json_integer_value(right));
		*text = strdup(json_string_value(right));
		if (!*text)
			err = err_set(E_NOMEM, "out of memory");
	}
	json_decref(choices);
	json_decref(targets);
	return err;
}

/* Appends a turn; after is what follows it in a text. text is consumed. */
static int turn(json_t *turns, const char *role, char *text, const char *after)
{
	int failed = json_array_append_new(turns, json_pack(
		"{s:s,s:s,s:s}", "role", role, "content", text, "after",
		after));

	free(text);
	return failed ? err_set(E_NOMEM, "out of memory") : 0;
}

/* A record with its answer, as it is shown. */
static int add_shot(json_t *turns, const struct task_spec *s, json_t *doc)
{
	char *text;

	TRY(task_render(&text, s->text, doc));
	TRY(turn(turns, "user", text, s->target_delimiter));
	TRY(answer_of(s, doc, &text));
	return turn(turns, "assistant", text, s->fewshot_delimiter);
}

/* Description, the first records but the one that is asked, its text. */
static int add_turns(json_t *turns, struct file_run *f, json_t *doc)
{
	const struct task_spec *s = &f->spec;
	json_t *shots = f->shots ? f->shots : f->docs;
	size_t n = 0;
	char *text;

	TRY(task_expand(&text, s->description, doc));
	if (*text)
		TRY(turn(turns, "system", text, ""));
	else
		free(text);
	for (size_t i = 0; n < s->fewshot && i < json_array_size(shots); i++) {
		if (!f->shots && i == f->number)
			continue;
		TRY(add_shot(turns, s, json_array_get(shots, i)));
		n++;
	}
	if (n < s->fewshot)
		return err_set(E_DATA, "%zu records to show, want %zu", n,
			       s->fewshot);
	TRY(task_render(&text, s->text, doc));
	return turn(turns, "user", text, "");
}

/* Turns from first on as one text. Free *text. */
static int as_text(json_t *turns, size_t first, char **text)
{
	size_t size;
	FILE *to = open_memstream(text, &size);

	if (!to)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = first; i < json_array_size(turns); i++) {
		json_t *t = json_array_get(turns, i);

		fputs(json_text(t, "content", ""), to);
		fputs(json_text(t, "after", ""), to);
	}
	return fclose(to) ? err_set(E_NOMEM, "out of memory") : 0;
}

/* As the model's template has it, up to the opening of the answer. */
static int as_chat(struct file_run *f, json_t *turns, char **text)
{
	const struct text_codec *t = f->run->text;
	size_t first = !strcmp(json_text(json_array_get(turns, 0), "role", ""),
			       "system");
	char *joined;

	if (!f->run->options->multiturn) {
		TRY(as_text(turns, first, &joined));
		while (json_array_size(turns) > first)
			(void)json_array_remove(turns, first);
		TRY(turn(turns, "user", joined, ""));
	}
	return t->render(t->ctx, turns, json_array_size(turns), text);
}

static int ask(struct file_run *f, json_t *doc)
{
	json_t *turns = json_array();
	char *context = NULL;
	int err = turns ? add_turns(turns, f, doc)
			: err_set(E_NOMEM, "out of memory");

	if (!err)
		err = f->chat ? as_chat(f, turns, &context)
			      : as_text(turns, 0, &context);
	if (!err)
		err = f->spec.type->ask(f, doc, context);
	free(context);
	json_decref(turns);
	return err;
}

int file_encode(struct file_run *f, const char *text, struct text_ids *ids)
{
	const struct text_codec *t = f->run->text;

	return t->encode(t->ctx, text, strlen(text), f->chat, ids);
}

/* ---- results ---- */

void file_count(struct file_run *f, size_t filter, size_t m, double value)
{
	struct tally *t = &f->tally[filter][m];

	t->sum += value;
	t->squares += value * value;
	t->n++;
}

static json_t *child(json_t *parent, const char *key)
{
	json_t *o = json_object_get(parent, key);

	if (!o && !json_object_set_new(parent, key, json_object()))
		o = json_object_get(parent, key);
	return o;
}

int file_put(struct file_run *f, const char *metric, const char *filter,
	     double value, json_t *error)
{
	json_t *o = child(child(f->run->result, "results"), f->spec.name);
	char key[256];
	int bad = json_object_set_new(o, "alias", json_string(f->spec.name));

	snprintf(key, sizeof(key), "%s,%s", metric, filter);
	bad |= json_object_set_new(o, key, json_finite(value));
	snprintf(key, sizeof(key), "%s_stderr,%s", metric, filter);
	bad |= json_object_set_new(o, key, error);
	return bad ? err_set(E_NOMEM, "out of memory") : 0;
}

/* The mean, with the standard error of a mean. */
static int put_means(struct file_run *f)
{
	for (size_t i = 0; i < f->spec.nfilter; i++)
		for (size_t k = 0; k < f->spec.nmetric; k++) {
			const struct tally *t = &f->tally[i][k];
			double n = (double)t->n, mean = t->sum / n, error = 0;

			if (!t->n)
				continue;
			if (t->n > 1)
				error = sqrt(fmax(0, t->squares / n -
						  mean * mean) / (n - 1));
			TRY(file_put(f, f->spec.metric[k].name,
				     f->spec.filter[i].name, mean,
				     t->n > 1 ? json_finite(error) :
				     json_string("N/A")));
		}
	return 0;
}

/* Sets result[key][task]; value is consumed. */
static int about(struct file_run *f, const char *key, json_t *value)
{
	return json_object_set_new(child(f->run->result, key), f->spec.name,
				   value) ?
	       err_set(E_NOMEM, "out of memory") : 0;
}

static int put_about(struct file_run *f)
{
	json_t *version = json_path(f->spec.root, "metadata.version");
	json_t *n = json_pack("{s:I,s:I}", "original",
			      (json_int_t)json_array_size(f->docs),
			      "effective", (json_int_t)f->n);
	json_t *better = json_object();

	for (size_t i = 0; i < f->spec.nmetric; i++)
		(void)json_object_set_new(better, f->spec.metric[i].name,
					  json_boolean(f->spec.type->more));
	if (f->truncated)
		(void)json_object_set_new(n, "truncated", json_integer(
					  (json_int_t)f->truncated));
	TRY(about(f, "higher_is_better", better));
	TRY(about(f, "n-samples", n));
	TRY(about(f, "n-shot", json_integer((json_int_t)f->spec.fewshot)));
	TRY(about(f, "configs", json_incref(f->spec.root)));
	return version ? about(f, "versions", json_incref(version)) : 0;
}

int file_log(struct file_run *f, json_t *doc, json_t *target, size_t filter,
	     json_t *o)
{
	json_t *line = json_object(), *names = json_array();
	int err = 0;

	for (size_t i = 0; i < f->spec.nmetric; i++)
		(void)json_array_append_new(names, json_string(
					    f->spec.metric[i].name));
	if (!o || json_object_set_new(line, "doc_id", json_integer(
				      (json_int_t)f->number)) ||
	    json_object_set(line, "doc", doc) ||
	    json_object_set(line, "target", target) ||
	    json_object_set_new(line, "task", json_string(f->spec.name)) ||
	    json_object_set_new(line, "filter", json_string(
				f->spec.filter[filter].name)) ||
	    json_object_set(line, "metrics", names) ||
	    json_object_update(line, o))
		err = err_set(E_NOMEM, "out of memory");
	if (!err)
		err = f->run->sample(f->run->ctx, line);
	json_decref(names);
	json_decref(line);
	json_decref(o);
	return err;
}

/* ---- the run ---- */

static int ask_all(struct file_run *f)
{
	json_t *doc;
	size_t i;
	int err;

	json_array_foreach(f->docs, i, doc) {
		if (i == f->n)
			break;
		f->number = i;
		err = ask(f, doc);
		if (err)
			return err_at(err, "%s: record %zu", f->spec.data,
				      i + 1);
	}
	return 0;
}

static int run_file(struct file_run *f)
{
	const struct task_options *o = f->run->options;

	if (o->fewshot_given)
		f->spec.fewshot = o->fewshot;
	if (o->most_given)
		f->spec.most = o->most;
	if (json_object_get(json_object_get(f->run->result, "results"),
			    f->spec.name))
		return err_set(E_DATA, "two tasks are called '%s'",
			       f->spec.name);
	TRY(read_docs(&f->docs, f->spec.data, 0));
	if (f->spec.shots)
		TRY(read_docs(&f->shots, f->spec.shots, f->spec.fewshot));
	f->n = json_array_size(f->docs);
	if (o->limit)
		f->n = size_min(f->n, o->limit);
	TRY(f->spec.type->start(f));
	TRY(ask_all(f));
	if (f->spec.type->end)
		TRY(f->spec.type->end(f));
	TRY(put_means(f));
	return put_about(f);
}

static int file(const struct task_run *r)
{
	struct file_run f = {
		.run = r, .chat = r->options->chat,
		.window = size_min(r->options->window,
				   program_longest(r->program)),
	};
	int err = task_spec_read(&f.spec, r->options->description,
				 r->options->data);

	if (!err)
		err = run_file(&f);
	if (f.spec.type && f.spec.type->release)
		f.spec.type->release(&f);
	scorer_free(f.s);
	json_decref(f.docs);
	json_decref(f.shots);
	task_spec_release(&f.spec);
	return err;
}

const struct task task_file = {
	.name = "file",
	.brief = "a task that a file describes: -t FILE.json",
	.run = file,
};
