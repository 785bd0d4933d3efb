/* Added tokens: found in the text as such, leftmost and longest. */
#include "formats/tokenizer_parts.h"
#include "formats/unicode.h"

#include <stdlib.h>
#include <string.h>

static int parse_one(struct added *a, json_t *spec, const struct vocab *v,
		     const struct steps *normalizers)
{
	json_t *content = json_object_get(spec, "content");
	json_t *id = json_object_get(spec, "id");
	struct text spare = { 0 };
	int64_t known;
	int err;

	if (!json_is_string(content) || !json_is_integer(id) ||
	    json_integer_value(id) < 0 ||
	    json_integer_value(id) >= UINT32_MAX)
		return err_set(E_DATA, "an added token has no content or id");
	TRY(text_add(&a->content, json_string_value(content),
		     json_string_length(content)));
	known = vocab_find(v, a->content.at, a->content.n);
	a->id = (uint32_t)(known < 0 ? json_integer_value(id) : known);
	a->single_word = json_flag(spec, "single_word", 0);
	a->lstrip = json_flag(spec, "lstrip", 0);
	a->rstrip = json_flag(spec, "rstrip", 0);
	a->special = json_flag(spec, "special", 0);
	a->normalized = json_flag(spec, "normalized", !a->special);
	TRY(text_add(&a->text, a->content.at, a->content.n));
	if (!a->normalized)
		return 0;
	err = steps_normalize(normalizers, &a->text, &spare);
	text_release(&spare);
	return err;
}

static int compare(const void *x, const void *y)
{
	const struct added *const *a = x, *const *b = y;
	unsigned char p = (unsigned char)(*a)->text.at[0];
	unsigned char q = (unsigned char)(*b)->text.at[0];

	if (p != q)
		return p < q ? -1 : 1;
	if ((*a)->text.n != (*b)->text.n)
		return (*a)->text.n > (*b)->text.n ? -1 : 1;
	return *a < *b ? -1 : 1;
}

/* Puts the tokens of one sort in the order in which they are tried. */
static int sort(struct added_set *a, int normalized)
{
	struct added **at = malloc((a->n + 1) * sizeof(*at));
	uint32_t *first = a->first[normalized];
	size_t n = 0;

	a->order[normalized] = malloc((a->n + 1) * sizeof(uint32_t));
	if (!at || !a->order[normalized]) {
		free(at);
		return err_set(E_NOMEM, "no memory for added tokens");
	}
	for (size_t i = 0; i < a->n; i++)
		if (a->at[i].normalized == normalized && a->at[i].text.n)
			at[n++] = &a->at[i];
	if (n)
		qsort(at, n, sizeof(*at), compare);
	for (size_t i = 0; i < n; i++) {
		a->order[normalized][i] = (uint32_t)(at[i] - a->at);
		first[(unsigned char)at[i]->text.at[0] + 1]++;
	}
	for (int b = 0; b < 256; b++)
		first[b + 1] += first[b];
	free(at);
	return 0;
}

int added_parse(struct added_set *a, json_t *root, const struct vocab *v,
		const struct steps *normalizers)
{
	json_t *list = json_object_get(root, "added_tokens"), *spec;
	size_t i;

	if (list && !json_is_array(list) && !json_is_null(list))
		return err_set(E_DATA, "added_tokens is no array");
	json_array_foreach(list, i, spec) {
		TRY(array_room(&a->at, a->n, &a->room, sizeof(*a->at)));
		a->at[a->n] = (struct added){ 0 };
		TRY(parse_one(&a->at[a->n++], spec, v, normalizers));
	}
	TRY(sort(a, 0));
	return sort(a, 1);
}

void added_release(struct added_set *a)
{
	for (size_t i = 0; i < a->n; i++) {
		text_release(&a->at[i].text);
		text_release(&a->at[i].content);
	}
	free(a->at);
	free(a->order[0]);
	free(a->order[1]);
	memset(a, 0, sizeof(*a));
}

const struct added *added_find(const struct added_set *a, uint32_t id)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->at[i].id == id)
			return &a->at[i];
	return NULL;
}

const struct added *added_at(const struct added_set *a, int normalized,
			     const char *text, size_t size)
{
	const uint32_t *first = a->first[normalized] + (unsigned char)*text;

	for (uint32_t i = first[0]; i < first[1]; i++) {
		const struct added *t = &a->at[a->order[normalized][i]];

		if (t->text.n <= size && !memcmp(t->text.at, text, t->text.n))
			return t;
	}
	return NULL;
}

/* Widens [*start, *end) as the token's flags say; 0: it is no match here. */
static int widen(const struct added *t, const char *text, size_t size,
		 size_t done, size_t *start, size_t *end)
{
	uint32_t c;
	size_t n;

	if (t->single_word) {
		if (*start && (unicode_last(text, *start, &c),
			       unicode_is_word(c)))
			return 0;
		if (*end < size && (unicode_get(text + *end, size - *end, &c),
				    unicode_is_word(c)))
			return 0;
	}
	while (t->lstrip && *start > done) {
		n = unicode_last(text, *start, &c);
		if (!unicode_is_space(c))
			break;
		*start -= n;
	}
	while (t->rstrip && *end < size) {
		n = unicode_get(text + *end, size - *end, &c);
		if (!unicode_is_space(c))
			break;
		*end += n;
	}
	return 1;
}

int added_split(const struct added_set *a, int normalized, const char *text,
		size_t size, added_fn *fn, void *ctx)
{
	const uint32_t *first = a->first[normalized];
	size_t done = 0;

	for (size_t i = 0; i < size && first[256]; i++) {
		unsigned char b = (unsigned char)text[i];
		const struct added *t;
		size_t start = i, end;

		if (first[b] == first[b + 1])
			continue;
		t = added_at(a, normalized, text + i, size - i);
		if (!t)
			continue;
		end = i + t->text.n;
		i = end - 1;
		if (!widen(t, text, size, done, &start, &end))
			continue;
		if (done < start)
			TRY(fn(ctx, -1, text + done, start - done, done));
		TRY(fn(ctx, t->id, text + start, end - start, start));
		/* The search goes on behind the token's own text, so blanks
		 * that it swallowed may be a token once more. */
		done = end;
	}
	return done < size ? fn(ctx, -1, text + done, size - done, done) : 0;
}
