/* JSON values out of a file of any length, one at a time. */
#include "formats/dataset_parts.h"

#include <stdlib.h>
#include <string.h>

#include "base/suffix.h"

/* JSON values one at a time: a value a line, in an array, or just one behind
 * the other. Holds one value. */
struct records {
	struct io_in *in;
	const unsigned char *at;        /* what is left of a block */
	size_t left;
	unsigned char *block;
	struct text value;
	int array;              /* inside one; 2: its end was seen */
	size_t n;               /* values so far */
};

enum { BLOCK = 64 << 10 };
static const size_t most = (size_t)1 << 30; /* bytes of a record */

static int is_blank(int c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

int dataset_ending(const char *path, const char *ending)
{
	return path && suffix_is(path, ending);
}

/* A file that does not begin like JSON, and is called so, is broken JSON and
 * not text. */
static int is_called_json(const char *path)
{
	return dataset_ending(path, ".jsonl") || dataset_ending(path, ".json");
}

static int probe(const char *path, const unsigned char *head, size_t n)
{
	size_t i = 0;

	if (dataset_ending(path, ".txt") || dataset_ending(path, ".md"))
		return 0;
	if (n >= 3 && !memcmp(head, "\xef\xbb\xbf", 3))
		i = 3;
	while (i < n && is_blank(head[i]))
		i++;
	if (i < n && head[i] == '{')
		return 1;
	if (i == n || head[i++] != '[')
		return is_called_json(path);
	while (i < n && is_blank(head[i]))
		i++;
	return i == n || head[i] == '{' || head[i] == ']';
}

static int open_records(void **self, struct io_in *in)
{
	struct records *r = calloc(1, sizeof(*r));
	const unsigned char *head;
	size_t got;

	*self = r;
	if (!r || !(r->block = malloc(BLOCK)))
		return err_set(E_NOMEM, "no memory to read with");
	r->in = in;
	TRY(io_in_peek(in, &head, 3, &got));
	if (got == 3 && !memcmp(head, "\xef\xbb\xbf", 3))
		TRY(io_in_skip(in, 3));
	return 0;
}

/* Is there a byte? */
static int more(struct records *r, int *yes)
{
	if (!r->left) {
		TRY(io_in_read(r->in, r->block, BLOCK, &r->left));
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

static int next(void *self, json_t **out)
{
	struct records *r = self;
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

static void close_records(void *self)
{
	struct records *r = self;

	if (!r)
		return;
	free(r->block);
	text_release(&r->value);
	free(r);
}

const struct dataset_form dataset_json = {
	"json", probe, open_records, next, close_records,
};
