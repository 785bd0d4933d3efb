#include "formats/json_span.h"

#include <stdlib.h>
#include <string.h>

static const char blanks[] = " \t\r\n";

static const char *skip(const char *p, const char *end)
{
	while (p < end && *p && strchr(blanks, *p))
		p++;
	return p;
}

/* Past a string; p is at its quote. */
static const char *skip_string(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++)
		p += *p == '\\';
	return p < end ? p + 1 : end;
}

/* Past a value; p is at its first byte. */
static const char *skip_value(const char *p, const char *end)
{
	size_t depth = 0;

	do {
		if (*p == '"') {
			p = skip_string(p, end);
			continue;
		}
		depth += *p == '[' || *p == '{';
		if ((*p == ']' || *p == '}') && depth)
			depth--;
		p++;
	} while (p < end && (depth || !strchr(",]} \t\r\n", *p)));
	return p < end ? p : end;
}

/* The value of a key of n bytes in the object at p; NULL: it has none. */
static const char *member(const char *p, const char *end, const char *key,
			  size_t n)
{
	if (p == end || *p != '{')
		return NULL;
	p = skip(p + 1, end);
	while (p < end && *p == '"') {
		const char *name = p + 1;
		int found;

		p = skip_string(p, end);
		found = (size_t)(p - name) == n + 1 && !memcmp(name, key, n);
		p = skip(skip(p, end) + 1, end); /* the colon */
		if (found || p >= end)
			return p < end ? p : NULL;
		p = skip(skip_value(p, end), end);
		if (p < end && *p == ',')
			p = skip(p + 1, end);
	}
	return NULL;
}

int json_span_at(struct json_span *s, const struct text *t, const char *path)
{
	const char *end = t->at + t->n, *p = skip(t->at, end);

	while (p && *path) {
		size_t n = strcspn(path, ".");

		p = member(p, end, path, n);
		path += n + (path[n] == '.');
	}
	if (!p || p == end)
		return 0;
	s->start = (size_t)(p - t->at);
	s->end = (size_t)(skip_value(p, end) - t->at);
	return 1;
}

int json_span_replace(struct text *t, struct json_span s, const char *value)
{
	struct text to = { 0 };
	int err = text_add(&to, t->at, s.start);

	if (!err)
		err = text_add_string(&to, value);
	if (!err)
		err = text_add(&to, t->at + s.end, t->n - s.end);
	if (!err)
		text_swap(t, &to);
	text_release(&to);
	return err;
}

/* value's text; where lead (n bytes) has a line's end, on lines that are
 * indented by what follows that. */
static int add_value(struct text *to, json_t *value, const char *lead,
		     size_t n)
{
	char *text;
	int err = 0, lines = n && memchr(lead, '\n', n);

	TRY(json_print(&text, value, lines ? 2 : 0));
	for (const char *p = text; *p && !err; ) {
		size_t line = strcspn(p, "\n");

		err = text_add(to, p, line);
		p += line + (p[line] == '\n');
		if (!err && p[-1] == '\n')
			err = text_add(to, lead, n);
	}
	free(text);
	return err;
}

static int add_key(struct text *to, const char *key)
{
	json_t *name = json_string(key);
	int err = name ? add_value(to, name, NULL, 0) :
			 err_set(E_NOMEM, "no memory for a key");

	json_decref(name);
	return err ? err : text_add_string(to, ": ");
}

/* What stands before an entry: before the second, or there is one only. */
static struct json_span lead_of(const struct text *t, struct json_span s,
				const char *first)
{
	const char *end = t->at + s.end, *p = first;
	size_t at;

	if (*p == '"' && t->at[s.start] == '{') /* a key, and its colon */
		p = skip(skip(skip_string(p, end), end) + 1, end);
	p = skip(skip_value(p, end), end);
	if (p >= end || *p != ',')
		return (struct json_span){ s.start + 1,
					   (size_t)(first - t->at) };
	at = (size_t)(p - t->at) + 1;
	return (struct json_span){ at, (size_t)(skip(p + 1, end) - t->at) };
}

int json_span_append(struct text *t, struct json_span s, const char *key,
		     json_t *value)
{
	const char *first = skip(t->at + s.start + 1, t->at + s.end);
	size_t at = s.end - 1, n;
	struct json_span lead = { 0 };
	struct text to = { 0 };
	int err, empty = (size_t)(first - t->at) == at;

	while (at > s.start + 1 && strchr(blanks, t->at[at - 1]))
		at--;
	if (!empty)
		lead = lead_of(t, s, first);
	n = lead.end - lead.start;
	err = text_add(&to, t->at, at);
	if (!err && !empty)
		err = text_add(&to, ",", 1);
	if (!err)
		err = text_add(&to, t->at + lead.start, n);
	if (!err && key)
		err = add_key(&to, key);
	if (!err)
		err = add_value(&to, value, t->at + lead.start, n);
	if (!err)
		err = text_add(&to, t->at + at, t->n - at);
	if (!err)
		text_swap(t, &to);
	text_release(&to);
	return err;
}
