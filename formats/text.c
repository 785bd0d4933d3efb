#include "formats/text.h"

#include "base/size.h"

#include <stdlib.h>
#include <string.h>

int text_room(struct text *t, size_t more)
{
	size_t need, room;
	char *at;

	if (size_add(&need, t->n, more) || size_add(&need, need, 1))
		return err_set(E_NOMEM, "a text of %zu bytes", more);
	if (need <= t->room)
		return 0;
	room = size_max(need, t->room + t->room / 2);
	at = realloc(t->at, room);
	if (!at)
		return err_set(E_NOMEM, "no memory for %zu bytes of text",
			       room);
	t->at = at;
	t->room = room;
	return 0;
}

int text_add(struct text *t, const void *from, size_t n)
{
	TRY(text_room(t, n));
	if (n)
		memcpy(t->at + t->n, from, n);
	t->n += n;
	t->at[t->n] = 0;
	return 0;
}

int text_add_string(struct text *t, const char *s)
{
	return text_add(t, s, strlen(s));
}

void text_swap(struct text *a, struct text *b)
{
	struct text t = *a;

	*a = *b;
	*b = t;
}

void text_release(struct text *t)
{
	free(t->at);
	*t = (struct text){ 0 };
}

int array_room(void *at, size_t n, size_t *room, size_t size)
{
	void *old, *grown;
	size_t want, bytes;

	if (n < *room)
		return 0;
	memcpy(&old, at, sizeof(old));
	want = *room ? *room + *room / 2 + 1 : 16;
	if (size_mul(&bytes, want, size))
		return err_set(E_NOMEM, "%zu elements", want);
	grown = realloc(old, bytes);
	if (!grown)
		return err_set(E_NOMEM, "no memory for %zu bytes", bytes);
	memcpy(at, &grown, sizeof(grown));
	*room = want;
	return 0;
}
