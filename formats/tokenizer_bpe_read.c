/* A byte-pair model from the "model" of a tokenizer.json. */
#include "formats/tokenizer_bpe.h"

#include <stdio.h>
#include <stdlib.h>

/* A member of "merges": "a b" or ["a", "b"]. */
static int merge_texts(json_t *spec, struct text *left, struct text *right)
{
	const char *space, *end;
	size_t n = json_string_length(spec);

	left->n = right->n = 0;
	if (json_array_size(spec) == 2) {
		json_t *l = json_array_get(spec, 0);
		json_t *r = json_array_get(spec, 1);

		TRY(text_add(left, json_string_value(l),
			     json_string_length(l)));
		TRY(text_add(right, json_string_value(r),
			     json_string_length(r)));
	} else if (json_is_string(spec)) {
		end = json_string_value(spec) + n;
		space = memchr(json_string_value(spec), ' ', n);
		if (!space || memchr(space + 1, ' ',
				     (size_t)(end - space) - 1))
			return err_set(E_DATA, "merge '%s' is not two tokens",
				       json_string_value(spec));
		TRY(text_add(left, json_string_value(spec),
			     (size_t)(space - json_string_value(spec))));
		TRY(text_add(right, space + 1, (size_t)(end - space) - 1));
	}
	return left->n && right->n ? 0 :
	       err_set(E_DATA, "a merge is not two tokens");
}

static int merge_add(struct bpe *b, struct text *left, struct text *right,
		     size_t rank)
{
	int64_t l = vocab_find(b->vocab, left->at, left->n);
	int64_t r = vocab_find(b->vocab, right->at, right->n), id;
	size_t drop = b->prefix.n;
	struct merge *m;

	if (bpe_is_space(right->at, right->n) &&
	    (left->n < 3 || !bpe_is_space(left->at + left->n - 3, 3)))
		b->cut_spaces = 0;
	if (drop > right->n)
		drop = right->n;
	TRY(text_add(left, right->at + drop, right->n - drop));
	id = vocab_find(b->vocab, left->at, left->n);
	if (l < 0 || r < 0 || id < 0)
		return err_set(E_DATA, "merge %zu, of '%s' by '%s', is not in "
			       "the vocabulary", rank, left->at, right->at);
	m = bpe_merge_slot(b, (uint64_t)l << 32 | (uint64_t)r);
	*m = (struct merge){ (uint64_t)l << 32 | (uint64_t)r, (uint32_t)rank,
			     (uint32_t)id };
	return 0;
}

static int merges_parse(struct bpe *b, json_t *list)
{
	struct text left = { 0 }, right = { 0 };
	size_t i, n = json_array_size(list);
	json_t *spec;
	int err = 0;

	if (!json_is_array(list) || n > UINT32_MAX / 4)
		return err_set(E_DATA, "merges is no array");
	for (b->mask = 63; b->mask < 2 * n;)
		b->mask = 2 * b->mask + 1;
	b->merge = malloc((b->mask + 1) * sizeof(*b->merge));
	if (!b->merge)
		return err_set(E_NOMEM, "no memory for %zu merges", n);
	for (i = 0; i <= b->mask; i++)
		b->merge[i].pair = UINT64_MAX;
	json_array_foreach(list, i, spec) {
		if (json_is_string(spec) &&
		    !strncmp(json_string_value(spec), "#version", 8))
			continue;
		err = merge_texts(spec, &left, &right);
		if (!err)
			err = merge_add(b, &left, &right, i);
		if (err)
			break;
	}
	text_release(&left);
	text_release(&right);
	return err;
}

static int vocab_parse(struct vocab *v, json_t *object)
{
	const char *key;
	json_t *id;

	if (!json_is_object(object))
		return err_set(E_DATA, "vocab is no object");
	json_object_foreach(object, key, id) {
		if (!json_is_integer(id) || json_integer_value(id) < 0)
			return err_set(E_DATA, "token '%s' has no id", key);
		TRY(vocab_add(v, key, strlen(key),
			      (uint64_t)json_integer_value(id)));
	}
	return 0;
}

static int options_parse(struct bpe *b, json_t *spec)
{
	const char *unknown = json_text(spec, "unk_token", NULL);
	char name[8];

	if (json_number(spec, "dropout", 0) != 0)
		return err_set(E_DATA, "a model with dropout");
	TRY(text_add_string(&b->prefix, json_text(
		spec, "continuing_subword_prefix", "")));
	TRY(text_add_string(&b->suffix, json_text(
		spec, "end_of_word_suffix", "")));
	b->fuse = json_flag(spec, "fuse_unk", 0);
	b->whole_first = json_flag(spec, "ignore_merges", 0);
	b->unknown = unknown ?
		     vocab_find(b->vocab, unknown, strlen(unknown)) : -1;
	if (unknown && b->unknown < 0)
		return err_set(E_DATA, "unk_token '%s' is not in the "
			       "vocabulary", unknown);
	for (int i = 0; i < 256; i++) {
		b->byte[i] = -1;
		snprintf(name, sizeof(name), "<0x%02X>", (unsigned)i);
		if (json_flag(spec, "byte_fallback", 0))
			b->byte[i] = vocab_find(b->vocab, name, 6);
	}
	return 0;
}

/* Cutting before U+2581 is exact if no merge crosses there and what is
 * between the cuts depends on nothing else. */
static int can_cut(const struct bpe *b)
{
	if (!b->cut_spaces || b->prefix.n || b->suffix.n)
		return 0;
	for (int i = 0; i < 256; i++)
		if (b->unknown >= 0 && b->byte[i] < 0 && b->byte[0] >= 0)
			return 0;
	return vocab_find(b->vocab, "\xe2\x96\x81", 3) >= 0;
}

static void bpe_free(void *self)
{
	struct bpe *b = self;

	if (!b)
		return;
	free(b->merge);
	free(b->word);
	free(b->symbol);
	free(b->heap);
	text_release(&b->prefix);
	text_release(&b->suffix);
	text_release(&b->glue);
	free(b);
}

static int bpe_init(void **self, struct vocab *v, json_t *spec)
{
	struct bpe *b = calloc(1, sizeof(*b));

	*self = b;
	if (!b)
		return err_set(E_NOMEM, "no memory for a tokenizer");
	b->vocab = v;
	b->cut_spaces = 1;
	b->word = calloc(WORDS, sizeof(*b->word));
	if (!b->word)
		return err_set(E_NOMEM, "no memory for a tokenizer");
	TRY(vocab_parse(v, json_object_get(spec, "vocab")));
	TRY(options_parse(b, spec));
	TRY(merges_parse(b, json_object_get(spec, "merges")));
	b->cut_spaces = can_cut(b);
	return 0;
}

const struct model_kind model_bpe = { "BPE", bpe_init, bpe_encode, bpe_free };
