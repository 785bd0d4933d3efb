/*
 * Text files. Read in blocks that end where no token reaches over: at a line's
 * end between two characters that are no blanks. Only a text that is to be
 * one sample is held as a whole, because its tokens are.
 */
#include "formats/dataset_parts.h"
#include "formats/unicode.h"

#include <string.h>

enum { BLOCK = 1 << 20 };

static int is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Bytes of text up to a line's end to cut at; all, where there is none. */
static size_t cut_at(const char *text, size_t n)
{
	for (size_t i = n; i-- > 2;)
		if (text[i - 1] == '\n' && !is_blank(text[i]) &&
		    !is_blank(text[i - 2]) && (unsigned char)text[i] < 0x80)
			return i;
	for (size_t i = n; i-- > 1;)
		if ((text[i] & 0xc0) != 0x80)
			return i;
	return n;
}

/* The next n ids as a sample. */
static int row(struct reading *r, size_t n)
{
	struct text_rows *t = &r->rows;

	r->ids.n = 0;
	for (size_t i = 0; i < n; i++)
		TRY(ids_add(&r->ids, t->ids.at[t->at + i]));
	TRY(reading_labels(r));
	for (size_t i = 0; i < n; i++)
		r->label[i] = (int32_t)r->ids.at[i];
	t->at += n;
	r->number++;
	if (n == 1 && r->number > 1)
		return 0; /* a last token alone predicts nothing */
	return reading_emit(r);
}

static int encode(struct reading *r)
{
	struct text_rows *t = &r->rows;
	size_t n = t->last ? t->text.n : cut_at(t->text.at, t->text.n);
	size_t at = t->end - t->text.n, valid = unicode_valid(t->text.at, n);

	if (valid < n)
		return err_set(E_DATA, "byte %zu is no UTF-8", at + valid);
	TRY(tokenizer_encode(r->t, t->text.at, n, !at, &t->ids));
	memmove(t->text.at, t->text.at + n, t->text.n - n);
	t->text.n -= n;
	return 0;
}

static int block(struct reading *r)
{
	struct text_rows *t = &r->rows;
	size_t got;

	if (t->at)
		memmove(t->ids.at, t->ids.at + t->at,
			(t->ids.n - t->at) * sizeof(*t->ids.at));
	t->ids.n -= t->at;
	t->at = 0;
	TRY(text_room(&t->text, BLOCK));
	TRY(io_in_read(&r->in, t->text.at + t->text.n, BLOCK, &got));
	for (size_t i = 0; !t->words && i < got; i++)
		t->words = !is_blank(t->text.at[t->text.n + i]);
	t->text.n += got;
	t->end += got;
	t->last = got < BLOCK;
	if (t->last && !t->words)
		return err_set(E_DATA, t->end ? "there are but blanks" :
			       "there is no text");
	return r->o->eval_text && !t->last ? 0 : encode(r);
}

int reading_text(struct reading *r)
{
	struct text_rows *t = &r->rows;
	size_t most = r->o->length && !r->o->eval_text ? r->o->length : 0;
	size_t left = t->ids.n - t->at;

	if (most && left >= most)
		return row(r, most);
	if (t->last && left)
		return row(r, left);
	if (!t->last)
		return block(r);
	r->ended = 1;
	return 0;
}
