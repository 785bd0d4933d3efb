/*
 * SentencePiece has no merges: of all neighbours whose join is a piece, it
 * joins those whose piece has the best score. As a list of merges that is every
 * way to cut a piece into two pieces, the best piece first; ties go as
 * transformers' converter has them: the longer left side, then the longer
 * right side, then the order of the pieces.
 */
#include "formats/gguf_files.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"

struct piece {
	const char *text;
	size_t length;
	double score;
};

struct cut {
	size_t piece, left;     /* bytes of the left side */
	size_t left_id, right_id;
	size_t left_chars, right_chars;
};

struct work {
	struct piece *piece;
	size_t n;
	size_t *slot;           /* piece + 1 by hash; 0: empty */
	size_t mask;
	struct cut *cut;
	size_t ncut, room;
};

static size_t hash(const char *text, size_t length)
{
	uint64_t h = 0xcbf29ce484222325; /* FNV-1a */

	while (length--)
		h = (h ^ (unsigned char)*text++) * 0x100000001b3;
	return (size_t)(h ^ h >> 32);
}

/* The slot of a piece, or the empty one where it would be. */
static size_t *find(const struct work *w, const char *text, size_t length)
{
	size_t at = hash(text, length) & w->mask;

	for (; w->slot[at]; at = (at + 1) & w->mask) {
		const struct piece *p = &w->piece[w->slot[at] - 1];

		if (p->length == length && !memcmp(p->text, text, length))
			break;
	}
	return &w->slot[at];
}

static int is_start(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

static size_t chars(const char *text, size_t length)
{
	size_t n = 0;

	while (length--)
		n += (size_t)is_start(*text++);
	return n;
}

static int add_cut(struct work *w, struct cut c)
{
	const struct piece *p = &w->piece[c.piece];

	if (w->ncut == w->room) {
		size_t room = w->room ? 2 * w->room : 4096;
		struct cut *at = realloc(w->cut, room * sizeof(*at));

		if (!at)
			return err_set(E_NOMEM, "out of memory");
		w->cut = at;
		w->room = room;
	}
	c.left_chars = chars(p->text, c.left);
	c.right_chars = chars(p->text + c.left, p->length - c.left);
	w->cut[w->ncut++] = c;
	return 0;
}

static int find_cuts(struct work *w)
{
	for (size_t i = 0; i < w->n; i++) {
		const struct piece *p = &w->piece[i];

		/* Longer than any piece of a real vocabulary. */
		if (p->length > 256)
			continue;
		for (size_t left = 1; left < p->length; left++) {
			size_t a, b;

			if (!is_start(p->text[left]))
				continue;
			a = *find(w, p->text, left);
			b = *find(w, p->text + left, p->length - left);
			if (a && b)
				TRY(add_cut(w, (struct cut){ i, left, a - 1,
							     b - 1, 0, 0 }));
		}
	}
	return 0;
}

/* qsort() hands over no context. */
static _Thread_local const struct piece *pieces;

static int by_score(const void *a, const void *b)
{
	const struct cut *x = a, *y = b;
	double sx = pieces[x->piece].score, sy = pieces[y->piece].score;

	if (sx < sy || sx > sy)
		return sx > sy ? -1 : 1;
	if (x->left_chars != y->left_chars)
		return x->left_chars > y->left_chars ? -1 : 1;
	if (x->right_chars != y->right_chars)
		return x->right_chars > y->right_chars ? -1 : 1;
	if (x->piece != y->piece)
		return x->piece < y->piece ? -1 : 1;
	if (x->left_id != y->left_id)
		return x->left_id < y->left_id ? -1 : 1;
	return x->right_id < y->right_id ? -1 : x->right_id > y->right_id;
}

static int read_pieces(struct work *w, const struct gguf_value *tokens,
		       const struct gguf_value *scores)
{
	const unsigned char *at = tokens->at;
	size_t slots = 64;

	while (slots < 2 * tokens->count)
		slots *= 2;
	w->n = tokens->count;
	w->mask = slots - 1;
	w->piece = calloc(w->n + 1, sizeof(*w->piece));
	w->slot = calloc(slots, sizeof(*w->slot));
	if (!w->piece || !w->slot)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < w->n; i++) {
		struct piece *p = &w->piece[i];

		gguf_next_text(&at, &p->text, &p->length);
		p->score = gguf_element(scores, i);
		if (!(p->score < 1e300 && p->score > -1e300))
			return err_set(E_DATA, "token %zu: its score is no "
				       "number", i);
		*find(w, p->text, p->length) = i + 1;
	}
	return 0;
}

static int write_merges(json_t *merges, const struct work *w)
{
	for (size_t i = 0; i < w->ncut; i++) {
		const struct cut *c = &w->cut[i];
		const struct piece *p = &w->piece[c->piece];
		json_t *pair = json_pack("[s%s%]", p->text, c->left,
					 p->text + c->left,
					 p->length - c->left);

		if (json_array_append_new(merges, pair))
			return err_set(E_DATA, "token %zu: not UTF-8",
				       c->piece);
	}
	return 0;
}

int gguf_merges(json_t **merges, const struct gguf *g)
{
	const struct gguf_value *tokens =
		gguf_find(g, "tokenizer.ggml.tokens");
	const struct gguf_value *scores =
		gguf_find(g, "tokenizer.ggml.scores");
	struct work w = { 0 };
	int err;

	*merges = NULL;
	if (!tokens || !scores || tokens->type != GGUF_ARRAY ||
	    tokens->element != GGUF_TEXT || scores->type != GGUF_ARRAY ||
	    scores->element == GGUF_TEXT || tokens->count != scores->count)
		return err_set(E_DATA, "tokenizer.ggml.scores: is missing or "
			       "of the wrong size");
	err = read_pieces(&w, tokens, scores);
	if (!err)
		err = find_cuts(&w);
	if (!err) {
		pieces = w.piece;
		if (w.ncut)
			qsort(w.cut, w.ncut, sizeof(*w.cut), by_score);
		*merges = json_array();
		err = *merges ? write_merges(*merges, &w) :
				err_set(E_NOMEM, "out of memory");
	}
	if (err) {
		json_decref(*merges);
		*merges = NULL;
	}
	free(w.piece);
	free(w.slot);
	free(w.cut);
	return err;
}
