/* Memory that is freed all at once. */
#include "formats/jinja_parts.h"

#include "base/size.h"

#include <stdlib.h>

enum { LEAST = 64 << 10, ALIGN = 16 };

struct jblock {
	struct jblock *next;
	size_t size, used;
	_Alignas(ALIGN) char at[];
};

static int add_block(struct jheap *h, size_t size)
{
	struct jblock *b;
	size_t want = size > LEAST ? size : LEAST;

	if (h->first && want < 2 * h->first->size &&
	    2 * h->first->size <= h->most - h->total)
		want = 2 * h->first->size;
	if (size > h->most || want > h->most - h->total)
		return err_set(E_DATA, "template: it takes more than %zu bytes "
			       "of memory", h->most);
	b = malloc(sizeof(*b) + want);
	if (!b)
		return err_set(E_NOMEM, "no memory for a template");
	*b = (struct jblock){ .next = h->first, .size = want };
	h->first = b;
	h->total += want;
	return 0;
}

int jheap_get(struct jheap *h, void *at, size_t size)
{
	size_t whole;
	char *got;

	if (size_add(&whole, size, ALIGN - 1))
		return err_set(E_NOMEM, "a template wants %zu bytes", size);
	whole &= ~(size_t)(ALIGN - 1);
	if (!h->first || h->first->size - h->first->used < whole)
		TRY(add_block(h, whole));
	got = h->first->at + h->first->used;
	h->first->used += whole;
	memset(got, 0, whole);
	memcpy(at, &got, sizeof(got));
	return 0;
}

/* Makes what was got last larger. */
static int stretch(struct jheap *h, const char *old, size_t have, size_t want)
{
	struct jblock *b = h->first;
	size_t top;

	have = (have + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	want = (want + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (!b || !old || b->at + b->used != old + have)
		return 0;
	top = b->used - have;
	if (want > b->size - top)
		return 0;
	b->used = top + want;
	return 1;
}

int jheap_grow(struct jheap *h, void *at, size_t n, size_t *room, size_t size)
{
	size_t want, bytes;
	char *old, *grown;

	if (n <= *room)
		return 0;
	memcpy(&old, at, sizeof(old));
	want = *room + *room / 2 > n ? *room + *room / 2 : n;
	want = want < 8 ? 8 : want;
	if (size_mul(&bytes, want, size))
		return err_set(E_NOMEM, "a template wants %zu values", want);
	if (!stretch(h, old, *room * size, bytes)) {
		TRY(jheap_get(h, &grown, bytes));
		if (*room)
			memcpy(grown, old, *room * size);
		memcpy(at, &grown, sizeof(grown));
	}
	*room = want;
	return 0;
}

static void free_from(struct jblock *b)
{
	while (b) {
		struct jblock *next = b->next;

		free(b);
		b = next;
	}
}

void jheap_reset(struct jheap *h)
{
	if (!h->first)
		return;
	free_from(h->first->next);
	h->first->next = NULL;
	h->first->used = 0;
	h->total = h->first->size;
}

void jheap_release(struct jheap *h)
{
	free_from(h->first);
	h->first = NULL;
	h->total = 0;
}

int jtext_add(struct jheap *h, struct jtext *t, const char *from, size_t n)
{
	size_t want;

	if (size_add(&want, t->n, n))
		return err_set(E_NOMEM, "a text of %zu bytes", n);
	TRY(jheap_grow(h, &t->at, want, &t->room, 1));
	if (n)
		memcpy(t->at + t->n, from, n);
	t->n = want;
	return 0;
}

int jtext_adds(struct jheap *h, struct jtext *t, const char *s)
{
	return jtext_add(h, t, s, strlen(s));
}
