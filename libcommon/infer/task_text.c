/* A task's templates: a record's fields in a text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "infer/task_file.h"

/* Where a value is called for that is not there. */
static int missing(const char *path, size_t n)
{
	return err_set(E_DATA, "there is no field '%.*s'", (int)n, path);
}

static int bad(const char *path, size_t n)
{
	return err_set(E_CONFIG, "'{{%.*s}}': want a field, as a.b or a[0], or"
		       " one with |trim", (int)n, path);
}

/* The value at size bytes of path: names, .names and [numbers]. */
static int find(json_t *doc, const char *path, size_t size, json_t **value)
{
	size_t n = 0;

	*value = doc;
	for (size_t i = 0; i < size; i += n) {
		const char *at = path + i;
		char *end;

		if (*at == '[') {
			unsigned long k = strtoul(at + 1, &end, 10);

			if (end == at + 1 || *end != ']' ||
			    (size_t)(end - path) >= size)
				return bad(path, size);
			n = (size_t)(end - at) + 1;
			*value = json_array_get(*value, k);
		} else {
			at += i && *at == '.';
			n = strcspn(at, ".[}| ");
			n = n < size - (size_t)(at - path)
				    ? n : size - (size_t)(at - path);
			if (!n)
				return bad(path, size);
			*value = json_object_getn(*value, at, n);
			n += (size_t)(at - path) - i;
		}
		if (!*value)
			return missing(path, i + n);
	}
	return size ? 0 : bad(path, size);
}

/* As Python's str() has it. */
static int put_value(FILE *to, json_t *v, const char *path, size_t n)
{
	char *text;

	if (json_is_string(v))
		fwrite(json_string_value(v), 1, json_string_length(v), to);
	else if (json_is_true(v) || json_is_false(v))
		fputs(json_is_true(v) ? "True" : "False", to);
	else if (json_is_number(v)) {
		TRY(json_print(&text, v, 0));
		fputs(text, to);
		free(text);
	} else
		return err_set(E_DATA, "the field '%.*s' is no text",
			       (int)n, path);
	return 0;
}

static int put_trimmed(FILE *to, json_t *v, const char *path, size_t n)
{
	static const char space[] = " \t\r\n\v\f";
	const char *text = json_string_value(v);
	size_t size;

	if (!text)
		return put_value(to, v, path, n);
	text += strspn(text, space);
	size = strlen(text);
	while (size && strchr(space, text[size - 1]))
		size--;
	fwrite(text, 1, size, to);
	return 0;
}

/* What stands between {{ and }}. */
static int expression(FILE *to, const char *at, size_t n, json_t *doc)
{
	size_t size;
	json_t *v;

	for (; n && *at == ' '; n--)
		at++;
	while (n && at[n - 1] == ' ')
		n--;
	size = n;
	if (n > 5 && !memcmp(at + n - 4, "trim", 4)) {
		for (size = n - 4; size && at[size - 1] == ' ';)
			size--;
		if (!size || at[size - 1] != '|')
			size = n;
		else
			for (size--; size && at[size - 1] == ' ';)
				size--;
	}
	TRY(find(doc, at, size, &v));
	return size < n ? put_trimmed(to, v, at, size)
			: put_value(to, v, at, size);
}

static int expand(FILE *to, const char *t, json_t *doc)
{
	while (*t) {
		size_t n = strcspn(t, "{");
		const char *end;

		fwrite(t, 1, n, to);
		t += n;
		if (!*t)
			break;
		if (t[1] == '%' || t[1] == '#')
			return err_set(E_CONFIG, "'{%c' is not known here: "
				       "fields are written {{name}}", t[1]);
		if (t[1] != '{') {
			fputc(*t++, to);
			continue;
		}
		end = strstr(t, "}}");
		if (!end)
			return err_set(E_CONFIG, "'{{' without '}}'");
		TRY(expression(to, t + 2, (size_t)(end - t) - 2, doc));
		t = end + 2;
	}
	return 0;
}

/* field: the value to write, or NULL to expand the template. */
static int render(char **out, const char *template, json_t *doc, json_t *field)
{
	size_t size;
	FILE *to;
	int err;

	*out = NULL;
	to = open_memstream(out, &size);
	if (!to)
		return err_set(E_NOMEM, "out of memory");
	err = field ? put_value(to, field, template, strlen(template))
		    : expand(to, template, doc);
	if (fclose(to) && !err)
		err = err_set(E_NOMEM, "out of memory");
	if (err) {
		free(*out);
		*out = NULL;
	}
	return err;
}

int task_expand(char **out, const char *template, json_t *doc)
{
	return render(out, template, doc, NULL);
}

int task_render(char **out, const char *template, json_t *doc)
{
	return render(out, template, doc, json_object_get(doc, template));
}

/* "field" or "{{field}}" alone: its value, and no text. NULL: it is not. */
static json_t *whole_field(const char *template, json_t *doc)
{
	size_t n = strlen(template);
	json_t *v = json_object_get(doc, template);

	if (v || n < 5 || memcmp(template, "{{", 2) ||
	    strcmp(template + n - 2, "}}") || strstr(template + 2, "{{"))
		return v;
	template += 2;
	n -= 4;
	for (; n && *template == ' '; n--)
		template++;
	while (n && template[n - 1] == ' ')
		n--;
	return find(doc, template, n, &v) ? NULL : v;
}

/* Appends a text, which is consumed, to an array. */
static int append(json_t *list, char *text)
{
	int failed = json_array_append_new(list, json_string(text));

	free(text);
	return failed ? err_set(E_DATA, "a text that is no UTF-8") : 0;
}

/* Appends a value as a text. */
static int append_value(json_t *list, json_t *v)
{
	char *text;

	TRY(render(&text, "choice", NULL, v));
	return append(list, text);
}

static int append_expanded(json_t *list, json_t *template, json_t *doc)
{
	char *text;

	if (!json_is_string(template))
		return append_value(list, template);
	TRY(task_expand(&text, json_string_value(template), doc));
	return append(list, text);
}

/* One member of {{[a, b, 'c']}}: a field, or a text in quotes. */
static int append_member(json_t *list, const char *at, size_t n, json_t *doc)
{
	json_t *v;

	for (; n && *at == ' '; n--)
		at++;
	while (n && at[n - 1] == ' ')
		n--;
	if (n > 1 && strchr("\"'", *at) && at[n - 1] == *at)
		return json_array_append_new(list, json_stringn(at + 1, n - 2))
			       ? err_set(E_NOMEM, "out of memory") : 0;
	TRY(find(doc, at, n, &v));
	return append_value(list, v);
}

/* "{{[sol1, sol2]}}": *is, and the members. */
static int listed(json_t *list, const char *template, json_t *doc, int *is)
{
	const char *at = template, *end;
	size_t n = strlen(template);

	*is = n > 6 && !memcmp(template, "{{[", 3) &&
	      !strcmp(template + n - 3, "]}}");
	if (!*is)
		return 0;
	end = template + n - 3;
	for (at += 3; at < end; at += n + 1) {
		n = strcspn(at, ",]");
		TRY(append_member(list, at, n, doc));
	}
	return 0;
}

int task_choices(const struct task_spec *s, json_t *doc, json_t **choices)
{
	const char *one = json_string_value(s->choices);
	json_t *from = one ? whole_field(one, doc) : s->choices, *each;
	json_t *list = json_array();
	int err = list ? 0 : err_set(E_NOMEM, "out of memory"), is = 0;
	size_t i;

	*choices = NULL;
	if (!err && one)
		err = listed(list, one, doc, &is);
	if (!err && !is && !json_is_array(from))
		err = err_set(E_DATA, "doc_to_choice gives no list");
	json_array_foreach(from, i, each) {
		if (err || is)
			break;
		err = one ? append_value(list, each)
			  : append_expanded(list, each, doc);
	}
	if (err)
		json_decref(list);
	else
		*choices = list;
	return err;
}

/* The number of a choice: as a number, as its text, or as a letter. */
static int choice_of(json_t *v, json_t *choices, json_int_t *gold)
{
	size_t i, n = json_array_size(choices);
	const char *text = json_string_value(v);
	json_t *each;
	char *end;

	*gold = -1;
	if (json_is_integer(v))
		*gold = json_integer_value(v);
	json_array_foreach(choices, i, each)
		if (text && !strcmp(text, json_string_value(each)))
			*gold = (json_int_t)i;
	if (text && *gold < 0 && *text) {
		*gold = (json_int_t)strtol(text, &end, 10);
		if (*end)
			*gold = text[1] ? -1 : *text - 'A';
	}
	if (*gold < 0 || (size_t)*gold >= n)
		return err_set(E_DATA, "the target is none of the %zu choices",
			       n);
	return 0;
}

/* doc_to_target's value: a field as it is, a number, or a rendered text. */
static int target_value(const struct task_spec *s, json_t *doc, json_t **v)
{
	const char *template = json_string_value(s->target);
	char *text;

	*v = template ? whole_field(template, doc) : s->target;
	if (*v) {
		json_incref(*v);
		return 0;
	}
	TRY(task_render(&text, template, doc));
	*v = json_string(text);
	free(text);
	return *v ? 0 : err_set(E_DATA, "a text that is no UTF-8");
}

int task_targets(const struct task_spec *s, json_t *doc, json_t *choices,
		 json_t **targets)
{
	json_t *list = json_array(), *v = NULL, *each;
	json_int_t gold;
	size_t i;
	int err = list ? target_value(s, doc, &v)
		       : err_set(E_NOMEM, "out of memory");

	*targets = NULL;
	if (!err && choices) {
		err = choice_of(v, choices, &gold);
		if (!err && json_array_append_new(list, json_integer(gold)))
			err = err_set(E_NOMEM, "out of memory");
	} else if (!err && json_is_array(v)) {
		json_array_foreach(v, i, each)
			if (!err)
				err = append_value(list, each);
	} else if (!err) {
		err = append_value(list, v);
	}
	if (!err && !json_array_size(list))
		err = err_set(E_DATA, "doc_to_target gives nothing");
	json_decref(v);
	if (err)
		json_decref(list);
	else
		*targets = list;
	return err;
}
