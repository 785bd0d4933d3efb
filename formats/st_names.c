#include "formats/st_names.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"

struct st_names {
	uint64_t *slot;         /* 0: free */
	size_t n, room;         /* room: a power of two */
};

enum { ROOM = 256 };

int st_names_new(struct st_names **s)
{
	*s = calloc(1, sizeof(**s));
	if (*s)
		(*s)->slot = calloc(ROOM, sizeof(*(*s)->slot));
	if (!*s || !(*s)->slot) {
		free(*s);
		*s = NULL;
		return err_set(E_NOMEM, "out of memory");
	}
	(*s)->room = ROOM;
	return 0;
}

void st_names_free(struct st_names *s)
{
	if (s)
		free(s->slot);
	free(s);
}

void st_names_clear(struct st_names *s)
{
	memset(s->slot, 0, s->room * sizeof(*s->slot));
	s->n = 0;
}

/* The slot where h is, or would be. */
static uint64_t *find(const struct st_names *s, uint64_t h)
{
	size_t i = (size_t)h;

	for (;; i++) {
		uint64_t *slot = &s->slot[i & (s->room - 1)];

		if (!*slot || *slot == h)
			return slot;
	}
}

static int grow(struct st_names *s)
{
	struct st_names more = { calloc(2 * s->room, sizeof(*s->slot)), s->n,
				 2 * s->room };

	if (!more.slot)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < s->room; i++)
		if (s->slot[i])
			*find(&more, s->slot[i]) = s->slot[i];
	free(s->slot);
	*s = more;
	return 0;
}

int st_names_add(struct st_names *s, const char *name)
{
	uint64_t h = digest_64(name, strlen(name)), *slot;

	if (2 * s->n >= s->room)
		TRY(grow(s));
	h += !h;
	slot = find(s, h);
	if (*slot)
		return err_set(E_DATA, "two tensors named \"%s\"", name);
	*slot = h;
	s->n++;
	return 0;
}
