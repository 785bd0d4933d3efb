/*
 * A text with spans that carry loss, as ids and labels. The ids are those of
 * the whole text. Where a span begins among them is found by encoding what
 * stands before it: its ids are the first of the whole's, and where they part
 * (line feeds at the border are other tokens with what follows, or a token
 * reaches over the border) lengths say which of the whole's are as long. A
 * token that reaches over a border carries no loss.
 * Text is encoded in parts that begin with an added token, since nothing
 * reaches over those: so a long conversation takes time in its length.
 */
#include "formats/dataset_parts.h"

/* The end of the part that begins at from: the last place up to which spans
 * are whole and where an added token begins; all, where there is none. */
static size_t part_end(const struct reading *r, size_t from, size_t span)
{
	for (; span + 1 < r->nspan; span++) {
		size_t at = r->span[span].end;

		if (at > from && tokenizer_token_at(r->t, r->text.at + at,
						    r->text.n - at))
			return at;
	}
	return r->text.n;
}

/* How many of the ids from base on are those of text[from, to), in *n, and how
 * many there are with one that reaches over its end, in *over. */
static int count_before(struct reading *r, size_t from, size_t to, int special,
			size_t base, size_t *n, size_t *over)
{
	const struct ids *ids = &r->ids;
	size_t want = 0, have = 0, i;

	r->part.n = 0;
	TRY(tokenizer_encode(r->t, r->text.at + from, to - from, special,
			     &r->part));
	for (i = 0; i < r->part.n && base + i < ids->n; i++)
		if (ids->at[base + i] != r->part.at[i])
			break;
	for (size_t k = i; k < r->part.n; k++)
		want += tokenizer_length(r->t, r->part.at[k]);
	for (; have < want && base + i < ids->n; i++)
		have += tokenizer_length(r->t, ids->at[base + i]);
	*over = i;
	*n = i - (have > want);
	return 0;
}

static int mark(struct reading *r, size_t from, size_t base, int special,
		const struct span *s)
{
	size_t first, end = r->ids.n - base, unused;

	if (r->o->train_on_prompt)
		return 0;
	TRY(count_before(r, from, s->start, special, base, &unused, &first));
	if (s->end < r->text.n)
		TRY(count_before(r, from, s->end, special, base, &end,
				 &unused));
	for (size_t i = base + first; i < base + end && i < r->ids.n; i++)
		r->label[i] = (int32_t)r->ids.at[i];
	return 0;
}

static int tokenise_part(struct reading *r, size_t from, size_t to,
			 int special, size_t *span)
{
	size_t base = r->ids.n;

	TRY(tokenizer_encode(r->t, r->text.at + from, to - from, special,
			     &r->ids));
	TRY(reading_labels(r));
	for (size_t i = base; i < r->ids.n; i++)
		r->label[i] = r->o->train_on_prompt ? (int32_t)r->ids.at[i] :
						      LABEL_NONE;
	for (; *span < r->nspan && r->span[*span].end <= to; (*span)++)
		TRY(mark(r, from, base, special, &r->span[*span]));
	return 0;
}

int reading_tokenise(struct reading *r, int special, int end)
{
	int64_t eos = tokenizer_eos(r->t);
	size_t from = 0, to, span = 0;

	do {
		to = part_end(r, from, span);
		TRY(tokenise_part(r, from, to, special && !from, &span));
		from = to;
	} while (from < r->text.n);
	if (end && eos >= 0 && (!r->ids.n || r->ids.at[r->ids.n - 1] != eos)) {
		TRY(ids_add(&r->ids, (uint32_t)eos));
		TRY(reading_labels(r));
		r->label[r->ids.n - 1] = (int32_t)eos;
	}
	return 0;
}
