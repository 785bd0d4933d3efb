/*
 * CSV and TSV with a header (RFC 4180): a row becomes an object of texts. A
 * field in quotes may hold the separator, line ends, and "" for a quote. Lines
 * end in LF or CR LF; empty lines are left out.
 */
#include "formats/dataset_parts.h"
#include "formats/unicode.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 64 << 10, FIELDS = 4096 };
static const size_t most = (size_t)1 << 30; /* bytes of a row */

struct table {
	struct io_in *in;
	char separator;
	unsigned char *block;
	size_t at, left;
	struct text row;        /* the fields' texts, one behind the other */
	size_t end[FIELDS];     /* where each ends in it */
	size_t n;               /* fields */
	struct text head;
	size_t head_end[FIELDS];
	size_t nhead, rows;
};

/* The next byte, not taken; -1 at the end. */
static int look(struct table *t, int *c)
{
	if (!t->left) {
		TRY(io_in_read(t->in, t->block, BLOCK, &t->left));
		t->at = 0;
	}
	*c = t->left ? t->block[t->at] : -1;
	return 0;
}

static void take(struct table *t)
{
	t->at++;
	t->left--;
}

static int put(struct table *t, int c)
{
	char byte = (char)c;

	take(t);
	if (t->row.n >= most)
		return err_set(E_DATA, "more than 1 GiB");
	return text_add(&t->row, &byte, 1);
}

/* Behind an opening quote, up to what follows the closing one. */
static int quoted(struct table *t)
{
	int c;

	for (;;) {
		TRY(look(t, &c));
		if (c < 0)
			return err_set(E_DATA, "the file ends inside quotes");
		if (c != '"') {
			TRY(put(t, c));
			continue;
		}
		take(t);
		TRY(look(t, &c));
		if (c != '"')
			break;
		TRY(put(t, c));
	}
	if (c == '\r') {
		take(t);
		TRY(look(t, &c));
		if (c != '\n')
			return err_set(E_DATA, "a lone carriage return");
	}
	if (c >= 0 && c != '\n' && c != t->separator)
		return err_set(E_DATA, "text behind the closing quote of field"
			       " %zu", t->n + 1);
	return 0;
}

/* Up to the separator or line's end, which is not taken. */
static int plain(struct table *t)
{
	size_t start = t->row.n;
	int c;

	for (;;) {
		TRY(look(t, &c));
		if (c < 0 || c == '\n' || c == t->separator)
			break;
		TRY(put(t, c));
	}
	if (c != t->separator && t->row.n > start &&
	    t->row.at[t->row.n - 1] == '\r')
		t->row.n--;
	return 0;
}

static int field(struct table *t)
{
	int c;

	TRY(look(t, &c));
	if (c != '"')
		return plain(t);
	take(t);
	return quoted(t);
}

/* The next row; n is 0 at the end. */
static int row(struct table *t)
{
	int c;

	t->n = 0;
	t->row.n = 0;
	for (;;) {
		TRY(look(t, &c));
		if (c != '\n' && c != '\r')
			break;
		take(t);
	}
	while (c >= 0) {
		if (t->n == FIELDS)
			return err_set(E_DATA, "more than %d fields", FIELDS);
		TRY(field(t));
		t->end[t->n++] = t->row.n;
		TRY(look(t, &c));
		if (c < 0)
			break;
		take(t);
		if (c == '\n')
			break;
		TRY(look(t, &c));
		if (c < 0) /* a separator, then the end */
			t->end[t->n++] = t->row.n;
	}
	return 0;
}

static size_t start_of(const size_t *end, size_t i)
{
	return i ? end[i - 1] : 0;
}

static int is_twice(const struct table *t, size_t i)
{
	size_t start = start_of(t->end, i), n = t->end[i] - start;

	for (size_t k = 0; k < i; k++) {
		size_t other = start_of(t->end, k);

		if (t->end[k] - other == n &&
		    !memcmp(t->row.at + other, t->row.at + start, n))
			return 1;
	}
	return 0;
}

static int header(struct table *t)
{
	TRY(row(t));
	for (size_t i = 0; i < t->n; i++) {
		size_t start = start_of(t->end, i);

		if (start == t->end[i])
			return err_set(E_DATA, "the header's field %zu has no "
				       "name", i + 1);
		if (is_twice(t, i))
			return err_set(E_DATA, "the header names '%.*s' twice",
				       (int)(t->end[i] - start),
				       t->row.at + start);
	}
	if (unicode_valid(t->row.at ? t->row.at : "", t->row.n) != t->row.n ||
	    memchr(t->row.at ? t->row.at : "", 0, t->row.n))
		return err_set(E_DATA, "the header is no UTF-8");
	text_swap(&t->head, &t->row);
	memcpy(t->head_end, t->end, sizeof(t->end));
	t->nhead = t->n;
	return 0;
}

static int open_table(void **self, struct io_in *in, char separator)
{
	struct table *t = calloc(1, sizeof(*t));
	const unsigned char *head;
	size_t got;

	*self = t;
	if (!t || !(t->block = malloc(BLOCK)))
		return err_set(E_NOMEM, "no memory to read with");
	t->in = in;
	t->separator = separator;
	TRY(io_in_peek(in, &head, 3, &got));
	if (got == 3 && !memcmp(head, "\xef\xbb\xbf", 3))
		TRY(io_in_skip(in, 3));
	return header(t);
}

static int open_csv(void **self, struct io_in *in)
{
	return open_table(self, in, ',');
}

static int open_tsv(void **self, struct io_in *in)
{
	return open_table(self, in, '\t');
}

static int object(const struct table *t, json_t **out)
{
	*out = json_object();
	if (!*out)
		return err_set(E_NOMEM, "no memory for a record");
	for (size_t i = 0; i < t->n; i++) {
		size_t start = start_of(t->end, i);
		size_t name = start_of(t->head_end, i);
		const char *text = t->row.at ? t->row.at + start : "";

		if (json_object_setn_new_nocheck(*out, t->head.at + name,
				t->head_end[i] - name,
				json_stringn(text, t->end[i] - start))) {
			json_decref(*out);
			*out = NULL;
			return err_set(E_DATA, "field %zu is no UTF-8", i + 1);
		}
	}
	return 0;
}

static int next(void *self, json_t **out)
{
	struct table *t = self;
	int err = row(t);

	*out = NULL;
	if (!err && !t->n)
		return 0;
	t->rows++;
	if (!err && t->n != t->nhead)
		err = err_set(E_DATA, "it has %zu fields, the header %zu",
			      t->n, t->nhead);
	if (!err)
		err = object(t, out);
	return err ? err_at(err, "record %zu", t->rows) : 0;
}

static void close_table(void *self)
{
	struct table *t = self;

	if (!t)
		return;
	free(t->block);
	text_release(&t->row);
	text_release(&t->head);
	free(t);
}

static int probe_csv(const char *path, const unsigned char *head, size_t n)
{
	(void)head;
	(void)n;
	return dataset_ending(path, ".csv");
}

static int probe_tsv(const char *path, const unsigned char *head, size_t n)
{
	(void)head;
	(void)n;
	return dataset_ending(path, ".tsv") || dataset_ending(path, ".tab");
}

const struct dataset_form dataset_csv = {
	"csv", probe_csv, open_csv, next, close_table,
};
const struct dataset_form dataset_tsv = {
	"tsv", probe_tsv, open_tsv, next, close_table,
};
