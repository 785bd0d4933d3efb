#include "data/samples.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/size.h"

/* Grows *at, an array of *room elements of this size, to hold need. */
static int grow(void *array, size_t *room, size_t need, size_t size)
{
	void **at = array, *more;
	size_t n = size_max(*room, 64), bytes;

	if (need <= *room)
		return 0;
	while (n < need)
		n *= 2;
	if (size_mul(&bytes, n, size) || !(more = realloc(*at, bytes)))
		return err_set(E_NOMEM, "out of memory");
	*at = more;
	*room = n;
	return 0;
}

int samples_add(struct samples *s, const uint32_t *id, const int32_t *label,
		size_t len)
{
	size_t first = s->n ? s->start[s->n] : 0, room = s->token_room;

	TRY(grow(&s->start, &s->room, s->n + 2, sizeof(*s->start)));
	TRY(grow(&s->id, &room, first + len, sizeof(*s->id)));
	TRY(grow(&s->label, &s->token_room, first + len, sizeof(*s->label)));
	memcpy(s->id + first, id, len * sizeof(*id));
	memcpy(s->label + first, label, len * sizeof(*label));
	s->start[s->n++] = first;
	s->start[s->n] = first + len;
	return 0;
}

int samples_prompt(struct samples *s, uint32_t prompt)
{
	size_t had = s->prompt_room;

	if (!prompt && !s->prompt)
		return 0;
	TRY(grow(&s->prompt, &s->prompt_room, s->n, sizeof(*s->prompt)));
	memset(s->prompt + had, 0,
	       (s->prompt_room - had) * sizeof(*s->prompt));
	s->prompt[s->n - 1] = prompt;
	return 0;
}

void samples_release(struct samples *s)
{
	free(s->prompt);
	free(s->start);
	free(s->id);
	free(s->label);
	memset(s, 0, sizeof(*s));
}

size_t samples_bytes(const struct samples *s)
{
	return s->room * sizeof(*s->start) +
	       (s->n ? s->start[s->n] : 0) *
	       (sizeof(*s->id) + sizeof(*s->label));
}

size_t samples_labels(const struct samples *s, size_t i)
{
	size_t n = 0;

	for (size_t t = s->start[i] + 1; t < s->start[i + 1]; t++)
		n += s->label[t] != LABEL_NONE;
	return n;
}

int samples_digest(const struct samples *s, unsigned char digest[16])
{
	struct digest *d;

	TRY(digest_new(&d));
	for (size_t i = 0; i < s->n; i++) {
		uint64_t len = s->start[i + 1] - s->start[i];

		digest_add(d, &len, sizeof(len));
	}
	if (s->n) {
		digest_add(d, s->id, s->start[s->n] * sizeof(*s->id));
		digest_add(d, s->label, s->start[s->n] * sizeof(*s->label));
	}
	digest_get_128(d, digest);
	digest_free(d);
	return 0;
}
