#include "formats/prompt_rows.h"

#include "base/size.h"
#include "formats/hf_templates.h"
#include "formats/json_span.h"
#include "formats/peft_kinds.h"
#include "weight/weight.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 40 };     /* bytes of a token's, at most */

int prompt_rows_open(struct prompt_rows *r, const struct tensor_set *adapter)
{
	const char *name = peft_kind_find("prompt")->front;

	r->p = tensor_set_find(adapter, name);
	if (r->p && r->p->rank == 2 && tensor_is_plain(r->p) &&
	    r->p->dtype == DTYPE_F32)
		return 0;
	return err_set(E_DATA, "the adapter has no %s of f32", name);
}

int prompt_rows_hold(struct prompt_rows *r, struct tensor *blob)
{
	return tensor_set_take(&r->files, blob);
}

void prompt_rows_release(struct prompt_rows *r)
{
	const struct tensor *p = r->p;

	grow_choice_release(&r->choice);
	tensor_set_release(&r->files);
	free(r->text);
	*r = (struct prompt_rows){ .p = p };
}

/* ---- the tokens ---- */

/* All tokens' names, as a list and as one text. */
static int name_tokens(struct prompt_rows *r, struct opt_list *list,
		       char **names)
{
	size_t n = tensor_rows(r->p);

	*names = calloc(n, NAME);
	r->text = calloc(n, NAME);
	list->at = calloc(n, sizeof(*list->at));
	if (!*names || !r->text || !list->at)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		char *name = *names + i * NAME;

		snprintf(name, NAME, "<|weft_prompt_%zu|>", i);
		list->at[list->n++] = name;
		strcat(r->text, name);
	}
	return 0;
}

static int choose(struct prompt_rows *r)
{
	const struct tensor *t = tensor_set_find(&r->files,
						 "file/tokenizer.json");
	struct opt_list list = { 0 };
	char *names = NULL;
	json_t *first;
	int err;

	if (!t)
		return err_set(E_DATA, "the base has no tokenizer.json, to "
			       "which the prompt's tokens could be added");
	err = name_tokens(r, &list, &names);
	if (!err)
		err = grow_choose(&r->choice, &list, t->part[0].data,
				  t->part[0].bytes);
	if (!err && json_array_size(r->choice.added) < list.n)
		err = err_set(E_DATA, "the base has a prompt's tokens "
			      "already");
	first = json_array_get(r->choice.ids, 0);
	r->first = (size_t)json_integer_value(first);
	r->grow.added = r->choice.added;
	free(names);
	free(list.at);
	return err;
}

/* ---- files ---- */

static int is_file(const struct tensor *t, const char *name)
{
	return !strcmp(t->name, name);
}

/* The tokens before a template's text; other values stay. */
static int prefix(const struct prompt_rows *r, json_t **v)
{
	size_t size = strlen(r->text) + json_string_length(*v) + 1;
	char *text;
	json_t *to;

	if (!json_is_string(*v))
		return 0;
	text = malloc(size);
	if (!text)
		return err_set(E_NOMEM, "out of memory");
	snprintf(text, size, "%s%s", r->text, json_string_value(*v));
	to = json_string(text);
	free(text);
	if (!to)
		return err_set(E_NOMEM, "out of memory");
	json_decref(*v);
	*v = to;
	return 0;
}

/* One template, or a list of {name, template}. */
static int prefix_all(const struct prompt_rows *r, json_t **v)
{
	json_t *one;
	size_t i;

	json_array_foreach(*v, i, one) {
		json_t *t = json_incref(json_object_get(one, "template"));
		int err = t ? prefix(r, &t) : 0;

		if (!err && t)
			err = json_object_set(one, "template", t);
		json_decref(t);
		if (err)
			return err_set(E_NOMEM, "out of memory");
	}
	return prefix(r, v);
}

static int edit_json(const struct prompt_rows *r, struct text *json)
{
	struct json_span s;
	json_t *root, *v;
	char *text = NULL;
	int err;

	TRY(json_parse(&root, json->at, json->n));
	v = json_deep_copy(json_object_get(root, "chat_template"));
	err = v ? prefix_all(r, &v) : 0;
	if (!err && v)
		err = json_print(&text, v, 0);
	if (!err && v)
		err = json_span_at(&s, json, "chat_template") ?
		      json_span_replace(json, s, text) :
		      err_set(E_DATA, "chat_template is spelled otherwise");
	free(text);
	json_decref(v);
	json_decref(root);
	return err;
}

static int is_jinja(const struct tensor *t)
{
	return is_file(t, "file/chat_template.jinja") ||
	       (!strncmp(t->name, "file/", 5) &&
		hf_templates_name(t->name + 5));
}

static int edit(const struct prompt_rows *r, const struct tensor *t,
		struct text *to)
{
	if (is_jinja(t)) {
		TRY(text_add_string(to, r->text));
		return text_add(to, t->part[0].data, t->part[0].bytes);
	}
	TRY(text_add(to, t->part[0].data, t->part[0].bytes));
	return edit_json(r, to);
}

/* A file with a chat template. */
static int begin_template(const struct prompt_rows *r, struct tensor *t)
{
	struct tensor to = { 0 };
	struct text text = { 0 };
	int err = edit(r, t, &text);

	if (!err)
		err = tensor_init(&to, t->name, t->role, DTYPE_U8, 1,
				  &text.n);
	if (!err)
		err = tensor_alloc(&to);
	if (!err) {
		memcpy(to.part[0].data, text.at, text.n);
		tensor_release(t);
		tensor_move(t, &to);
	}
	text_release(&text);
	tensor_release(&to);
	return err ? err_at(err, "%s", t->name) : 0;
}

int prompt_rows_begin(struct prompt_rows *r, float scale)
{
	static const char *const templates[] = {
		"file/tokenizer_config.json", "file/chat_template.json",
	};

	r->begun = 1;
	r->scale = scale;
	TRY(choose(r));
	for (size_t i = 0; i < r->files.n; i++) {
		struct tensor *t = &r->files.at[i];

		if (grow_wants(&r->grow, t))
			TRY(grow_tensor(&r->grow, t));
		if (is_jinja(t))
			TRY(begin_template(r, t));
		for (size_t k = 0; k < NELEM(templates); k++)
			if (is_file(t, templates[k]))
				TRY(begin_template(r, t));
	}
	return r->grow.was ? 0 : err_set(E_DATA, "the base has no "
					 "config.json");
}

/* ---- weights ---- */

static int is_bias(const struct prompt_rows *r, const struct tensor *t)
{
	return t->role == ROLE_BIAS && t->rank == 1 && *r->bias &&
	       is_file(t, r->bias);
}

int prompt_rows_wants(const struct prompt_rows *r, const struct tensor *t)
{
	int matrix = (t->role == ROLE_EMBED || t->role == ROLE_HEAD) &&
		     t->rank == 2;

	return r->p && (matrix || is_bias(r, t)) &&
	       t->shape[0] == r->grow.was;
}

/* As plain f32: a prompt is too fine for less. */
static int decode(struct tensor *t)
{
	struct tensor to = { 0 };
	int err;

	if (tensor_is_plain(t) && t->dtype == DTYPE_F32)
		return 0;
	err = tensor_init(&to, t->name, t->role, DTYPE_F32, t->rank, t->shape);
	if (!err)
		err = tensor_alloc(&to);
	if (!err)
		err = weight_decode(t, to.part[0].data, 0, t->count);
	if (!err) {
		tensor_release(t);
		tensor_move(t, &to);
	}
	tensor_release(&to);
	return err;
}

/* The mean of rows [0, n) of t, of cols values. */
static int mean_of(float *mean, const struct tensor *t, size_t n, size_t cols)
{
	double *sum = calloc(cols, sizeof(*sum));
	int err = sum ? 0 : err_set(E_NOMEM, "out of memory");

	for (size_t i = 0; i < n && !err; i++) {
		err = weight_decode(t, mean, i * cols, cols);
		for (size_t k = 0; k < cols && !err; k++)
			sum[k] += (double)mean[k];
	}
	for (size_t k = 0; k < cols && !err; k++)
		mean[k] = (float)(sum[k] / (double)n);
	free(sum);
	return err;
}

static int set_rows(const struct prompt_rows *r, struct tensor *t)
{
	size_t cols = t->rank == 2 ? t->shape[1] : 1;
	float *row = calloc(cols, sizeof(*row));
	const float *p = r->p->part[0].data;
	float *to = (float *)t->part[0].data + r->first * cols;
	int err = row ? 0 : err_set(E_NOMEM, "out of memory");

	if (!err && t->role != ROLE_EMBED)
		err = mean_of(row, t, r->first, cols);
	for (size_t i = 0; i < tensor_rows(r->p) && !err; i++, to += cols) {
		for (size_t k = 0; t->role == ROLE_EMBED && k < cols; k++)
			row[k] = p[i * cols + k] / r->scale;
		memcpy(to, row, cols * sizeof(*row));
	}
	free(row);
	return err;
}

int prompt_rows_put(struct prompt_rows *r, struct tensor *t)
{
	size_t n = strlen(t->name), m = strlen(".weight");

	if (t->role == ROLE_EMBED && t->shape[1] != tensor_cols(r->p))
		return err_set(E_DATA, "a prompt of %zu columns, %s has %zu",
			       tensor_cols(r->p), t->name, t->shape[1]);
	if (!r->first)
		return err_set(E_DATA, "the vocabulary is empty");
	if (t->role == ROLE_HEAD && n > m && n < sizeof(r->bias))
		snprintf(r->bias, sizeof(r->bias), "%.*s.bias", (int)(n - m),
			 t->name);
	if (grow_wants(&r->grow, t))
		TRY(grow_tensor(&r->grow, t));
	r->embedded |= t->role == ROLE_EMBED;
	TRY(decode(t));
	return set_rows(r, t);
}

int prompt_rows_end(const struct prompt_rows *r)
{
	if (!r->p || r->embedded)
		return 0;
	return err_set(E_DATA, "the base has no embedding of %zu rows, as "
		       "config.json says", r->grow.was);
}
