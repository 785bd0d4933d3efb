/*
 * SentencePiece's scores for a vocabulary that has merges instead, and whether
 * a GGUF's tokenizer is the one that went in.
 *
 * SentencePiece joins the neighbours whose join has the best score, byte-pair
 * merging those that come first in the list: if all merges of a piece stand
 * together, and all ways to cut it are there, a score that falls along the
 * list is the same. Pieces whose merges stand among each other have one score.
 */
#include "formats/gguf_vocab_parts.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "formats/gguf_files.h"

/* The two texts of a merge joined; *left of it are the first's. E_DATA. */
static int join(struct text *whole, size_t *left, json_t *merge)
{
	const char *a = json_string_value(json_array_get(merge, 0));
	const char *b = json_string_value(json_array_get(merge, 1));
	const char *text = json_string_value(merge), *space;

	whole->n = 0;
	if (text) {
		space = strchr(text, ' ');
		if (!space)
			return err_set(E_DATA, "a merge is not two tokens");
		*left = (size_t)(space - text);
		TRY(text_add(whole, text, *left));
		return text_add_string(whole, space + 1);
	}
	if (!a || !b)
		return err_set(E_DATA, "a merge is not two tokens");
	*left = strlen(a);
	TRY(text_add_string(whole, a));
	return text_add_string(whole, b);
}

/* Which token merge i makes; SIZE_MAX: none that is there. */
static int made_by(const struct gguf_vocab *v, json_t *vocab, json_t *merge,
		   struct text *whole, size_t *token)
{
	json_t *id;
	size_t left;

	*token = SIZE_MAX;
	TRY(join(whole, &left, merge));
	id = json_object_get(vocab, whole->at);
	if (json_is_integer(id) && json_integer_value(id) >= 0 &&
	    (uint64_t)json_integer_value(id) < v->n)
		*token = (size_t)json_integer_value(id);
	return 0;
}

/* token (n): what each merge makes; last (v->n): by which it is last made. */
static void give_scores(struct gguf_vocab *v, const size_t *token,
			const size_t *last, size_t n)
{
	size_t end = 0, order = 0;

	for (size_t i = 0; i < n; i++) {
		if (token[i] == SIZE_MAX)
			continue;
		order += i > end;
		if (last[token[i]] > end)
			end = last[token[i]];
		v->token[token[i]].score = -(float)order;
	}
	/* Single characters, behind all that is made. */
	for (size_t i = 0; i < v->n; i++)
		if (last[i] == SIZE_MAX && v->token[i].type == GGUF_NORMAL)
			v->token[i].score = -(float)++order;
}

int gguf_vocab_scores(struct gguf_vocab *v, json_t *model)
{
	json_t *vocab = json_object_get(model, "vocab"), *merge;
	json_t *list = json_object_get(model, "merges");
	size_t i, n = json_array_size(list);
	size_t *token = calloc(n + 1, sizeof(*token));
	size_t *last = malloc((v->n + 1) * sizeof(*last));
	struct text whole = { 0 };
	int err = token && last ? 0 : err_set(E_NOMEM, "out of memory");

	if (last)
		memset(last, 0xff, (v->n + 1) * sizeof(*last));
	json_array_foreach(list, i, merge) {
		if (!err)
			err = made_by(v, vocab, merge, &whole, &token[i]);
		if (err)
			break;
		if (token[i] != SIZE_MAX)
			last[token[i]] = i;
	}
	if (!err)
		give_scores(v, token, last, n);
	free(token);
	free(last);
	text_release(&whole);
	return err;
}

/* ---- is it the same? ---- */

static int differs(const char *what)
{
	return err_set(E_DATA, "%s: llama.cpp's %s would not be the "
		       "tokenizer's; --to hf keeps them", what, what);
}

/* Index i of a list of merges is one way to cut this text. */
static int is_cut(json_t *list, size_t i, const char *text, size_t left)
{
	struct text other = { 0 };
	size_t at = 0;
	int same = i < json_array_size(list) &&
		   !join(&other, &at, json_array_get(list, i)) &&
		   at == left && !strcmp(other.at, text);

	text_release(&other);
	return same;
}

/* Among the n that begin at from? */
static int has_cut(json_t *list, size_t from, size_t n, const char *text,
		   size_t left)
{
	for (size_t i = from; i < from + n; i++)
		if (is_cut(list, i, text, left))
			return 1;
	return 0;
}

/* How many merges from i on make the same text, which is put into whole. */
static int run_of(json_t *list, size_t i, struct text *whole, size_t *n)
{
	struct text next = { 0 };
	size_t left;
	int err = join(whole, &left, json_array_get(list, i));

	for (*n = 1; !err && i + *n < json_array_size(list); ++*n) {
		err = join(&next, &left, json_array_get(list, i + *n));
		if (!err && strcmp(next.at, whole->at))
			break;
	}
	text_release(&next);
	return err;
}

/* The same pieces in the same order, each with the same cuts. */
static int check_merges(json_t *ours, json_t *theirs)
{
	struct text whole = { 0 }, other = { 0 };
	size_t n, m, left;
	int err = json_array_size(ours) == json_array_size(theirs) ? 0 :
		  differs("merges");

	for (size_t i = 0; i < json_array_size(ours) && !err; i += n) {
		err = run_of(ours, i, &whole, &n);
		if (!err)
			err = run_of(theirs, i, &other, &m);
		if (!err && (n != m || strcmp(whole.at, other.at)))
			err = differs("merges");
		for (size_t k = i; k < i + n && !err; k++) {
			err = join(&whole, &left, json_array_get(ours, k));
			if (!err && !has_cut(theirs, i, n, whole.at, left))
				err = differs("merges");
		}
	}
	text_release(&whole);
	text_release(&other);
	return err;
}

/* Every token of the model has its id. */
static int check_tokens(json_t *ours, json_t *theirs)
{
	const char *text;
	json_t *id;

	json_object_foreach(ours, text, id)
		if (!json_equal(id, json_object_get(theirs, text)))
			return differs("vocab");
	return 0;
}

int gguf_vocab_check(const struct gguf *g, const struct gguf_sides *s)
{
	json_t *ours = NULL, *theirs = NULL;
	int err = gguf_tokenizer(&theirs, g);

	if (!err && s->tokenizer)
		err = json_parse(&ours, s->tokenizer, s->tokenizer_size);
	if (!err && ours && !theirs)
		err = differs("model");
	if (!err && ours)
		err = check_tokens(json_path(ours, "model.vocab"),
				   json_path(theirs, "model.vocab"));
	if (!err && ours)
		err = check_merges(json_path(ours, "model.merges"),
				   json_path(theirs, "model.merges"));
	json_decref(ours);
	json_decref(theirs);
	return err ? err_at(err, "tokenizer.json") : 0;
}
