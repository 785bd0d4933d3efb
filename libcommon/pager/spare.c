#include "pager/spare.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "pager/space.h"

enum { MOST_UNITS = 16384 };   /* a process may have 65,530 mappings */

int spares_init(struct spares *s, const struct pager_page *pages, size_t n)
{
	memset(s, 0, sizeof(*s));
	s->page = pages;
	s->unit = SPACE_ALIGN;
	while (pager_page_bytes(pages, n) / s->unit > MOST_UNITS)
		s->unit *= 2;
	s->which = calloc(n + 1, sizeof(*s->which));
	s->have = calloc(n + 1, sizeof(*s->have));
	return s->which && s->have ? 0 : err_set(E_NOMEM, "out of memory");
}

void spares_release(struct spares *s)
{
	free(s->which);
	free(s->have);
	memset(s, 0, sizeof(*s));
}

void spares_add(struct spares *s, size_t page)
{
	s->which[s->n++] = page;
	s->have[page] = s->page[page].bytes;
	s->bytes += s->page[page].bytes;
}

static char *at(const struct spares *s, size_t page, size_t byte)
{
	return (char *)s->page[page].at + byte;
}

/* Spare number i is one no more. */
static void forget(struct spares *s, size_t i)
{
	s->bytes -= s->have[s->which[i]];
	s->have[s->which[i]] = 0;
	s->n--;
	memmove(s->which + i, s->which + i + 1,
		(s->n - i) * sizeof(*s->which));
}

/* Of spare number i the first bytes alone stay. */
static int shorten(struct spares *s, size_t i, size_t bytes)
{
	size_t page = s->which[i], less = s->have[page] - bytes;

	if (!less)
		return 0;
	TRY(space_drop(at(s, page, bytes), less));
	s->have[page] = bytes;
	s->bytes -= less;
	if (!bytes)
		forget(s, i);
	return 0;
}

static size_t index_of(const struct spares *s, size_t page)
{
	size_t i = 0;

	while (i < s->n && s->which[i] != page)
		i++;
	return i;
}

/* One that is whole and of this size; n: none. */
static size_t same_size(const struct spares *s, size_t bytes)
{
	size_t i = s->n;

	while (i-- > 0)
		if (s->page[s->which[i]].bytes == bytes &&
		    s->have[s->which[i]] == bytes)
			return i;
	return s->n;
}

/* Unit by unit; *moved: bytes, all or what came before one that cannot. */
static void move(const struct spares *s, char *to, char *from, size_t n,
		 size_t *moved)
{
	size_t piece;

	for (*moved = 0; *moved < n; *moved += piece) {
		piece = size_min(s->unit, n - *moved);
		if (space_move(to + *moved, from + *moved, piece))
			return;
	}
}

/* The page's own, so that none is at its addresses, or one as large. */
static int take_whole(struct spares *s, size_t page, size_t *have)
{
	size_t bytes = s->page[page].bytes, i = index_of(s, page), from;

	if (i < s->n && s->have[page] < bytes)
		TRY(shorten(s, i, s->have[page] - s->have[page] % s->unit));
	*have = s->have[page];
	if (*have) {
		forget(s, i);
		return 0;
	}
	i = same_size(s, bytes);
	if (i == s->n)
		return 0;
	from = s->which[i];
	move(s, at(s, page, 0), at(s, from, 0), bytes, have);
	if (*have == bytes) {
		forget(s, i);
		return 0;
	}
	*have -= *have % s->unit;
	return shorten(s, i, 0);
}

static int is_aligned(const struct spares *s, size_t page)
{
	return (uintptr_t)s->page[page].at % SPACE_ALIGN == 0;
}

/* The last spare that has a piece; n: none. */
static size_t with_piece(const struct spares *s)
{
	size_t i = s->n;

	while (i-- > 0)
		if (s->have[s->which[i]] >= s->unit &&
		    is_aligned(s, s->which[i]))
			return i;
	return s->n;
}

/* As much as is wanted and spare number i has, from its end. */
static int take_pieces(struct spares *s, size_t i, size_t page, size_t *have)
{
	size_t from = s->which[i], rest = s->page[page].bytes - *have, n, moved;

	TRY(shorten(s, i, s->have[from] - s->have[from] % s->unit));
	n = size_min(s->have[from], rest - rest % s->unit);
	move(s, at(s, page, *have), at(s, from, s->have[from] - n), n, &moved);
	*have += moved;
	if (moved < n)
		return shorten(s, i, 0);
	s->have[from] -= n;
	s->bytes -= n;
	if (!s->have[from])
		forget(s, i);
	return 0;
}

int spares_limit(struct spares *s, size_t most)
{
	while (s->n && s->bytes > most)
		TRY(shorten(s, 0, 0));
	return 0;
}

int spares_take(struct spares *s, size_t page, size_t most)
{
	size_t have, i, bytes = s->page[page].bytes;

	TRY(take_whole(s, page, &have));
	while (bytes - have >= s->unit && is_aligned(s, page) &&
	       (i = with_piece(s)) < s->n)
		TRY(take_pieces(s, i, page, &have));
	TRY(spares_limit(s, most));
	return have == bytes ? 0 : space_take(at(s, page, have), bytes - have);
}
