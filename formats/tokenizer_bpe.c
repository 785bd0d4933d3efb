/*
 * Byte-pair encoding (Sennrich et al. 2016): the pair of lowest rank is
 * merged, the leftmost first, until no pair is in the table. Short pieces are
 * searched, long ones keep their pairs in a heap: the same merges. Words
 * are remembered.
 */
#include "formats/tokenizer_bpe.h"
#include "formats/unicode.h"

enum {
	SHORT = 24,             /* symbols that are searched */
	DEAD = -2,              /* symbol.after: merged away */
};

struct merge *bpe_merge_slot(const struct bpe *b, uint64_t pair)
{
	uint64_t h = pair * 0x9e3779b97f4a7c15u;
	size_t i = (h ^ h >> 32) & b->mask;

	while (b->merge[i].pair != pair && b->merge[i].pair != UINT64_MAX)
		i = (i + 1) & b->mask;
	return &b->merge[i];
}

static const struct merge *merge_find(const struct bpe *b, uint32_t left,
				      uint32_t right)
{
	const struct merge *m = bpe_merge_slot(b, (uint64_t)left << 32 | right);

	return m->pair == UINT64_MAX ? NULL : m;
}

static int symbol_add(struct bpe *b, int64_t id)
{
	struct symbol *s;

	if (b->n >= INT32_MAX)
		return err_set(E_DATA, "a word of more than 2^31 characters");
	TRY(array_room(&b->symbol, b->n, &b->room, sizeof(*s)));
	s = &b->symbol[b->n];
	s->id = (uint32_t)id;
	s->before = (int32_t)b->n - 1;
	s->after = (int32_t)++b->n;
	return 0;
}

/* The bytes of a character that the vocabulary lacks; *done: they are in. */
static int fall_back(struct bpe *b, const char *c, size_t n, int *done)
{
	*done = 0;
	for (size_t i = 0; i < n; i++)
		if (b->byte[(unsigned char)c[i]] < 0)
			return 0;
	for (size_t i = 0; i < n; i++)
		TRY(symbol_add(b, b->byte[(unsigned char)c[i]]));
	*done = 1;
	return 0;
}

/* A character with what the model puts around it inside a word. */
static int glued(struct bpe *b, const char **c, size_t *n, int first, int last)
{
	if ((first || !b->prefix.n) && (!last || !b->suffix.n))
		return 0;
	b->glue.n = 0;
	if (!first)
		TRY(text_add(&b->glue, b->prefix.at, b->prefix.n));
	TRY(text_add(&b->glue, *c, *n));
	if (last)
		TRY(text_add(&b->glue, b->suffix.at, b->suffix.n));
	*c = b->glue.at;
	*n = b->glue.n;
	return 0;
}

/* The piece's characters as symbols. */
static int symbols(struct bpe *b, const char *piece, size_t size)
{
	int pending = 0, done;
	uint32_t code;

	b->n = 0;
	for (size_t i = 0, n; i < size; i += n) {
		const char *c = piece + i;
		size_t full = n = unicode_get(c, size - i, &code);
		int64_t id;

		TRY(glued(b, &c, &full, !i, i + n == size));
		id = vocab_find(b->vocab, c, full);
		if (id < 0) {
			TRY(fall_back(b, c, full, &done));
			if (done || b->unknown < 0)
				continue;
			if (pending && !b->fuse)
				TRY(symbol_add(b, b->unknown));
			pending = 1;
			continue;
		}
		if (pending)
			TRY(symbol_add(b, b->unknown));
		pending = 0;
		TRY(symbol_add(b, id));
	}
	if (pending)
		TRY(symbol_add(b, b->unknown));
	if (b->n)
		b->symbol[b->n - 1].after = -1;
	return 0;
}

/* Joins symbol i with the next. */
static void join(struct bpe *b, size_t i, uint32_t id)
{
	struct symbol *s = &b->symbol[i], *next = &b->symbol[s->after];

	s->id = id;
	s->after = next->after;
	next->after = DEAD;
	if (s->after >= 0)
		b->symbol[s->after].before = (int32_t)i;
}

/* At most SHORT symbols: look through all pairs for each merge. */
static void merge_short(struct bpe *b)
{
	const struct merge *m[SHORT];
	size_t n = b->n, best;

	for (size_t i = 0; i + 1 < n; i++)
		m[i] = merge_find(b, b->symbol[i].id, b->symbol[i + 1].id);
	while (n > 1) {
		best = n;
		for (size_t i = 0; i + 1 < n; i++)
			if (m[i] && (best == n || m[i]->rank < m[best]->rank))
				best = i;
		if (best == n)
			break;
		b->symbol[best].id = m[best]->id;
		n--;
		for (size_t i = best + 1; i < n; i++) {
			b->symbol[i].id = b->symbol[i + 1].id;
			m[i - 1] = m[i];
		}
		if (best)
			m[best - 1] = merge_find(b, b->symbol[best - 1].id,
						 b->symbol[best].id);
		if (best + 1 < n)
			m[best] = merge_find(b, b->symbol[best].id,
					     b->symbol[best + 1].id);
	}
	b->n = n;
}

static int heap_push(struct bpe *b, size_t at)
{
	const struct symbol *s = &b->symbol[at];
	const struct merge *m;
	uint64_t key;
	size_t i;

	if (s->after < 0)
		return 0;
	m = merge_find(b, s->id, b->symbol[s->after].id);
	if (!m)
		return 0;
	TRY(array_room(&b->heap, b->nheap, &b->heap_room, sizeof(key)));
	key = (uint64_t)m->rank << 32 | at;
	for (i = b->nheap++; i && b->heap[(i - 1) / 2] > key; i = (i - 1) / 2)
		b->heap[i] = b->heap[(i - 1) / 2];
	b->heap[i] = key;
	return 0;
}

static uint64_t heap_pop(struct bpe *b)
{
	uint64_t top = b->heap[0], key = b->heap[--b->nheap];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < b->nheap) {
		if (child + 1 < b->nheap && b->heap[child + 1] < b->heap[child])
			child++;
		if (b->heap[child] >= key)
			break;
		b->heap[i] = b->heap[child];
		i = child;
	}
	b->heap[i] = key;
	return top;
}

static int merge_long(struct bpe *b)
{
	size_t n = 0;

	b->nheap = 0;
	for (size_t i = 0; i + 1 < b->n; i++)
		TRY(heap_push(b, i));
	while (b->nheap) {
		uint64_t top = heap_pop(b);
		size_t at = (uint32_t)top;
		struct symbol *s = &b->symbol[at];
		const struct merge *m;

		if (s->after < 0)
			continue;
		m = merge_find(b, s->id, b->symbol[s->after].id);
		if (!m || m->rank != top >> 32)
			continue; /* it has changed since */
		join(b, at, m->id);
		if (s->before >= 0)
			TRY(heap_push(b, (size_t)s->before));
		TRY(heap_push(b, at));
	}
	for (size_t i = 0; i < b->n; i++)
		if (b->symbol[i].after != DEAD)
			b->symbol[n++].id = b->symbol[i].id;
	b->n = n;
	return 0;
}

static int encode_word(struct bpe *b, const char *piece, size_t size,
		       struct ids *ids)
{
	int64_t whole;

	if (b->whole_first) {
		whole = vocab_find(b->vocab, piece, size);
		if (whole >= 0)
			return ids_add(ids, (uint32_t)whole);
	}
	TRY(symbols(b, piece, size));
	if (b->n > SHORT)
		TRY(merge_long(b));
	else
		merge_short(b);
	for (size_t i = 0; i < b->n; i++)
		TRY(ids_add(ids, b->symbol[i].id));
	return 0;
}

/* As encode_word(), through the words that were met before. */
static int encode_cached(struct bpe *b, const char *piece, size_t size,
			 struct ids *ids)
{
	struct word *w;
	size_t from = ids->n, n;

	if (size > WORD_TEXT || !size)
		return size ? encode_word(b, piece, size, ids) : 0;
	w = &b->word[text_hash(piece, size) >> 24 & (WORDS - 1)];
	if (w->size == size && !memcmp(w->text, piece, size)) {
		for (size_t i = 0; i < w->n; i++)
			TRY(ids_add(ids, w->id[i]));
		return 0;
	}
	TRY(encode_word(b, piece, size, ids));
	n = ids->n - from;
	if (n > WORD_IDS)
		return 0;
	w->size = (unsigned char)size;
	w->n = (unsigned char)n;
	memcpy(w->text, piece, size);
	if (n)
		memcpy(w->id, ids->at + from, n * sizeof(*w->id));
	return 0;
}

int bpe_encode(void *self, const char *piece, size_t size,
		      struct ids *ids)
{
	struct bpe *b = self;
	size_t start = 0;

	if (!b->cut_spaces)
		return encode_cached(b, piece, size, ids);
	if (b->whole_first && vocab_find(b->vocab, piece, size) >= 0)
		return encode_word(b, piece, size, ids);
	for (size_t i = 1; i < size; i++)
		if (bpe_is_space(piece + i, size - i) &&
		    !(i >= 3 && bpe_is_space(piece + i - 3, 3))) {
			TRY(encode_cached(b, piece + start, i - start, ids));
			start = i;
		}
	return encode_cached(b, piece + start, size - start, ids);
}
