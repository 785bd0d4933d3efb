/* text - bytes that grow; the pieces that a tokenizer works on */
#ifndef FORMATS_TEXT_H
#define FORMATS_TEXT_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct text {
	char *at;       /* (n), and a 0 after it once something was added */
	size_t n, room;
};

/* Room for more bytes behind n. E_NOMEM. */
int text_room(struct text *t, size_t more) MUST_CHECK;
int text_add(struct text *t, const void *from, size_t n) MUST_CHECK;
int text_add_string(struct text *t, const char *s) MUST_CHECK;
void text_swap(struct text *a, struct text *b);
void text_release(struct text *t);      /* safe on a zeroed struct */

/* Makes *at (n elements of size bytes, *room of them allocated) hold one more.
 * E_NOMEM. */
int array_room(void *at, size_t n, size_t *room, size_t size) MUST_CHECK;

#endif
