/* JSON values out of a file of any length, one at a time. */
#include "formats/dataset_parts.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 64 << 10 };
static const size_t most = (size_t)1 << 30; /* bytes of a record */

static int is_blank(int c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int has_ending(const char *path, const char *ending)
{
	size_t n = path ? strlen(path) : 0, m = strlen(ending);

	return n >= m && !strcmp(path + n - m, ending);
}

int records_probe(const char *path, const unsigned char *head, size_t n)
{
	size_t i = 0;

	if (has_ending(path, ".txt") || has_ending(path, ".md"))
		return 0;
	if (n >= 3 && !memcmp(head, "\xef\xbb\xbf", 3))
		i = 3;
	while (i < n && is_blank(head[i]))
		i++;
	if (i == n)
		return has_ending(path, ".jsonl") || has_ending(path, ".json");
	if (head[i] == '{')
		return 1;
	if (head[i++] != '[')
		return has_ending(path, ".jsonl") || has_ending(path, ".json");
	while (i < n && is_blank(head[i]))
		i++;
	return i == n || head[i] == '{' || head[i] == ']';
}

int records_init(struct records *r, struct io_in *in)
{
	const unsigned char *head;
	unsigned char mark[3];
	size_t got;

	r->in = *in;
	r->block = malloc(BLOCK);
	if (!r->block)
		return err_set(E_NOMEM, "no memory to read with");
	TRY(io_in_peek(&r->in, &head, 3, &got));
	if (got == 3 && !memcmp(head, "\xef\xbb\xbf", 3))
		TRY(io_in_read(&r->in, mark, 3, &got));
	return 0;
}

/* Is there a byte? */
static int more(struct records *r, int *yes)
{
	if (!r->left) {
		TRY(io_in_read(&r->in, r->block, BLOCK, &r->left));
		r->at = r->block;
	}
	*yes = r->left != 0;
	return 0;
}

/* The next byte that is no blank, not taken; -1 at the end. */
static int look(struct records *r, int *c)
{
	int yes;

	for (*c = -1;;) {
		TRY(more(r, &yes));
		if (!yes)
			return 0;
		if (!is_blank(*r->at))
			break;
		r->at++;
		r->left--;
	}
	*c = *r->at;
	return 0;
}

static void take(struct records *r)
{
	r->at++;
	r->left--;
}

struct scan {
	size_t depth;
	int quoted, escaped;
};

/* Bytes of the block that belong to the value; *done: it ends with them. */
static size_t scan(struct scan *s, const unsigned char *at, size_t n,
		   int *done)
{
	size_t i = 0;

	for (*done = 0; i < n && !*done; i++) {
		unsigned char c = at[i];

		if (s->escaped)
			s->escaped = 0;
		else if (s->quoted && c == '\\')
			s->escaped = 1;
		else if (c == '"')
			s->quoted = !s->quoted;
		else if (s->quoted)
			continue;
		else if (c == '{' || c == '[')
			s->depth++;
		else if (c == '}' || c == ']')
			*done = !--s->depth;
	}
	return i;
}

static int value(struct records *r, json_t **out)
{
	struct scan s = { 0 };
	int done = 0, yes;
	size_t n;

	r->value.n = 0;
	while (!done) {
		TRY(more(r, &yes));
		if (!yes)
			return err_set(E_DATA, "the file ends inside it");
		n = scan(&s, r->at, r->left, &done);
		TRY(text_add(&r->value, r->at, n));
		r->at += n;
		r->left -= n;
		if (r->value.n > most)
			return err_set(E_DATA, "more than 1 GiB");
	}
	return json_parse(out, r->value.at, r->value.n);
}

/* Goes over what stands between values; *c is what comes next. */
static int between(struct records *r, int *c)
{
	TRY(look(r, c));
	if (r->array == 1 && *c < 0)
		return err_set(E_DATA, "the file ends inside an array");
	if (!r->n && !r->array && *c == '[') {
		r->array = 1;
		take(r);
		TRY(look(r, c));
	} else if (r->n && r->array == 1 && *c == ',') {
		take(r);
		TRY(look(r, c));
		if (*c == ']')
			return err_set(E_DATA, "a comma before ]");
	} else if (r->n && r->array == 1 && *c != ']') {
		return err_set(E_DATA, "no comma before it");
	}
	if (r->array == 1 && *c == ']') {
		r->array = 2;
		take(r);
		TRY(look(r, c));
		if (*c >= 0)
			return err_set(E_DATA, "text behind the array's end");
	}
	if (r->array == 1 && *c < 0)
		return err_set(E_DATA, "the file ends inside an array");
	return 0;
}

int records_next(struct records *r, json_t **out)
{
	int c, err;

	*out = NULL;
	err = between(r, &c);
	if (!err && c < 0)
		return 0;
	r->n++;
	if (!err && c != '{')
		err = err_set(E_DATA, "it is no JSON object");
	if (!err)
		err = value(r, out);
	return err ? err_at(err, "record %zu", r->n) : 0;
}

void records_release(struct records *r)
{
	free(r->block);
	text_release(&r->value);
	*r = (struct records){ 0 };
}
