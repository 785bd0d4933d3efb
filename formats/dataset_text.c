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

/* Emits whole rows of the ids that have come; last: what is left too. */
static int rows(struct reading *r, struct ids *ids, int last)
{
	size_t row = r->o->length && !r->o->eval_text ? r->o->length : 0;
	size_t at = 0, n;

	while (at < ids->n && (last || (row && ids->n - at >= row))) {
		n = row && ids->n - at > row ? row : ids->n - at;
		r->ids.n = 0;
		for (size_t i = 0; i < n; i++)
			TRY(ids_add(&r->ids, ids->at[at + i]));
		TRY(reading_labels(r));
		for (size_t i = 0; i < n; i++)
			r->label[i] = (int32_t)ids->at[at + i];
		r->number++;
		at += n;
		if (n == 1 && r->number > 1)
			break; /* a last token alone predicts nothing */
		TRY(reading_emit(r));
	}
	memmove(ids->at, ids->at + at, (ids->n - at) * sizeof(*ids->at));
	ids->n -= at;
	return 0;
}

/* end: bytes of the file up to the text's end. */
static int block(struct reading *r, struct text *text, struct ids *ids,
		 int last, size_t end)
{
	size_t n = last ? text->n : cut_at(text->at, text->n);
	size_t at = end - text->n, valid = unicode_valid(text->at, n);

	if (valid < n)
		return err_set(E_DATA, "byte %zu is no UTF-8", at + valid);
	TRY(tokenizer_encode(r->t, text->at, n, !at, ids));
	memmove(text->at, text->at + n, text->n - n);
	text->n -= n;
	return ids->n ? rows(r, ids, last) : 0;
}

static int read_blocks(struct reading *r, struct io_in *in, struct text *text,
		       struct ids *ids)
{
	size_t got, before, end = 0;

	do {
		before = text->n;
		TRY(text_room(text, BLOCK));
		TRY(io_in_read(in, text->at + before, BLOCK, &got));
		text->n += got;
		end += got;
		if (!end)
			return err_set(E_DATA, "there is no text");
		if (r->o->eval_text && got == BLOCK)
			continue;
		TRY(block(r, text, ids, got < BLOCK, end));
	} while (got == BLOCK);
	return 0;
}

int dataset_read_text(struct reading *r, struct io_in *in)
{
	struct text text = { 0 };
	struct ids ids = { 0 };
	int err = read_blocks(r, in, &text, &ids);

	text_release(&text);
	ids_release(&ids);
	return err;
}
