#include "infer/task.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"

extern const struct task task_loss, task_ppl, task_mc, task_exact, task_file;

static const struct task *const tasks[] = {
	&task_loss, &task_ppl, &task_mc, &task_exact, &task_file,
};

enum { NTASK = sizeof(tasks) / sizeof(*tasks), FILE_BYTES = 1 << 30 };

const struct task *task_find(const char *name)
{
	for (size_t i = 0; i < NTASK; i++)
		if (!strcmp(tasks[i]->name, name))
			return tasks[i];
	return NULL;
}

const struct task *task_at(size_t i)
{
	return i < NTASK ? tasks[i] : NULL;
}

/* ---- records ---- */

struct reading {
	const char *path;
	size_t limit, number;
	task_record_fn *fn;
	void *ctx;
};

static int give(struct reading *r, json_t *record)
{
	int err;

	if (!json_is_object(record))
		return err_set(E_DATA, "%s: record %zu is no object", r->path,
			       r->number + 1);
	err = r->fn(r->ctx, record, r->number);
	if (err == E_NOMEM)
		return err; /* a plan's, which is no fault of the record's */
	if (err)
		return err_at(E_DATA, "%s: record %zu", r->path,
			      r->number + 1);
	r->number++;
	return 0;
}

static int enough(const struct reading *r)
{
	return r->limit && r->number >= r->limit;
}

static int read_array(struct reading *r, const char *text, size_t size)
{
	json_t *root, *each;
	size_t i;
	int err = json_parse(&root, text, size);

	if (err)
		return err_at(err, "%s", r->path);
	json_array_foreach(root, i, each)
		if (!err && !enough(r))
			err = give(r, each);
	json_decref(root);
	return err;
}

static int read_lines(struct reading *r, const char *text)
{
	for (size_t line = 1; *text && !enough(r); line++) {
		size_t n = strcspn(text, "\n");
		json_t *record;
		int err;

		if (strspn(text, " \t\r") < n) {
			err = json_parse(&record, text, n);
			if (err)
				return err_at(err, "%s: line %zu", r->path,
					      line);
			err = give(r, record);
			json_decref(record);
			TRY(err);
		}
		text += n + (text[n] == '\n');
	}
	return 0;
}

int task_records(const char *path, size_t limit, task_record_fn *fn, void *ctx)
{
	struct reading r = { path, limit, 0, fn, ctx };
	char *text;
	size_t size;
	int err;

	TRY(io_read_file(&text, &size, path, FILE_BYTES));
	if (text[strspn(text, " \t\r\n")] == '[')
		err = read_array(&r, text, size);
	else
		err = read_lines(&r, text);
	if (!err && !r.number)
		err = err_set(E_DATA, "%s: no records", path);
	free(text);
	return err;
}

int task_prompt(const struct task_run *r, struct scorer *s, json_t *record)
{
	return by_field_number(&scorer_feed(s)->prompt, r->options->field,
			       record);
}

/* ---- results ---- */

int task_put(const struct task_run *r, const char *key, json_t *value)
{
	if (json_object_set_new(r->result, key, value))
		return err_set(E_NOMEM, "out of memory");
	return 0;
}

static json_t *child(json_t *parent, const char *key)
{
	json_t *o = json_object_get(parent, key);

	if (!o) {
		o = json_object();
		if (json_object_set_new(parent, key, o))
			return NULL;
	}
	return o;
}

int task_put_mean(const struct task_run *r, const char *task,
		  const char *metric, double sum, double sum_squares, size_t n)
{
	json_t *o = child(child(r->result, "results"), task);
	double mean = sum / (double)n, error = 0;
	char key[64];
	int bad;

	if (n > 1)
		error = sqrt(fmax(0, sum_squares / (double)n - mean * mean) /
			     (double)(n - 1));
	snprintf(key, sizeof(key), "%s,none", metric);
	bad = json_object_set_new(o, key, json_real(mean));
	snprintf(key, sizeof(key), "%s_stderr,none", metric);
	bad |= json_object_set_new(o, key, json_real(error));
	bad |= json_object_set_new(child(r->result, "n-samples"), task,
				   json_integer((json_int_t)n));
	return bad ? err_set(E_NOMEM, "out of memory") : 0;
}
