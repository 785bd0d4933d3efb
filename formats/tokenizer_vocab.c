/* Vocabularies, ids, and GPT-2's alphabet of bytes. */
#include "formats/tokenizer_parts.h"

#include "base/bytes.h"
#include "base/size.h"
#include "formats/unicode.h"

#include <stdlib.h>
#include <string.h>

enum { VOCAB_MOST = 1 << 22 };

/* Not for storage: only tables in memory depend on it. */
uint64_t text_hash(const char *text, size_t size)
{
	const uint64_t mix = 0x9e3779b97f4a7c15u;
	uint64_t h = size * mix, w = 0;

	for (; size >= 8; text += 8, size -= 8) {
		h = (h ^ le64_get(text)) * mix;
		h ^= h >> 29;
	}
	for (size_t i = 0; i < size; i++)
		w = w << 8 | (unsigned char)text[i];
	h = (h ^ w) * mix;
	h ^= h >> 32;
	return h * mix;
}

static uint32_t *slot_of(const struct vocab *v, const char *text, size_t size)
{
	size_t i = text_hash(text, size) >> 20 & v->mask;

	for (; v->slot[i]; i = (i + 1) & v->mask) {
		const struct span *s = &v->at[v->slot[i] - 1];

		if (s->end - s->start == size &&
		    (!size || !memcmp(v->text.at + s->start, text, size)))
			break;
	}
	return &v->slot[i];
}

int64_t vocab_find(const struct vocab *v, const char *text, size_t size)
{
	return v->slot ? (int64_t)*slot_of(v, text, size) - 1 : -1;
}

static int more_slots(struct vocab *v)
{
	size_t mask = v->slot ? v->mask * 2 + 1 : 1023;
	uint32_t *slot = calloc(mask + 1, sizeof(*slot));

	if (!slot)
		return err_set(E_NOMEM, "no memory for a vocabulary");
	free(v->slot);
	v->slot = slot;
	v->mask = mask;
	for (size_t i = 0; i < v->n; i++)
		if (v->present[i])
			*slot_of(v, v->text.at + v->at[i].start,
				 v->at[i].end - v->at[i].start) =
				(uint32_t)i + 1;
	return 0;
}

static int more_ids(struct vocab *v, size_t n)
{
	size_t room = size_max(n, v->room + v->room / 2);
	struct span *at;
	unsigned char *present;

	if (n > v->room) {
		at = realloc(v->at, room * sizeof(*at));
		if (!at)
			return err_set(E_NOMEM, "no memory for %zu tokens", n);
		v->at = at;
		present = realloc(v->present, room);
		if (!present)
			return err_set(E_NOMEM, "no memory for %zu tokens", n);
		v->present = present;
		v->room = room;
	}
	for (; v->n < n; v->n++) {
		v->at[v->n] = (struct span){ 0 };
		v->present[v->n] = 0;
	}
	return 0;
}

int vocab_add(struct vocab *v, const char *text, size_t size, uint64_t id)
{
	uint32_t *slot;

	if (id >= VOCAB_MOST)
		return err_set(E_DATA, "token '%s' has id %llu", text,
			       (unsigned long long)id);
	if (!v->slot || v->used * 2 >= v->mask)
		TRY(more_slots(v));
	if (id >= v->n)
		TRY(more_ids(v, id + 1));
	slot = slot_of(v, text, size);
	if (*slot)
		return err_set(E_DATA, "token '%s' has two ids", text);
	if (v->present[id])
		return err_set(E_DATA, "id %llu has two tokens",
			       (unsigned long long)id);
	v->at[id].start = v->text.n;
	TRY(text_add(&v->text, text, size));
	v->at[id].end = v->text.n;
	v->present[id] = 1;
	*slot = (uint32_t)id + 1;
	v->used++;
	return 0;
}

void vocab_release(struct vocab *v)
{
	text_release(&v->text);
	free(v->at);
	free(v->present);
	free(v->slot);
	*v = (struct vocab){ 0 };
}

int ids_add(struct ids *ids, uint32_t id)
{
	TRY(array_room(&ids->at, ids->n, &ids->room, sizeof(*ids->at)));
	ids->at[ids->n++] = id;
	return 0;
}

void ids_release(struct ids *ids)
{
	free(ids->at);
	*ids = (struct ids){ 0 };
}

/* Printable characters stand for themselves, the others, in order, for
 * U+0100 and on. */
static int is_printable(int byte)
{
	return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) ||
	       byte >= 0xae;
}

/* Bytes below byte that are not printable. */
static int hidden_before(int byte)
{
	if (byte <= '!')
		return byte;
	if (byte < 0x7f)
		return 33;
	return byte <= 0xa0 ? byte - 0x7f + 33 : 67;
}

size_t byte_to_char(unsigned char byte, char to[2])
{
	uint32_t c = is_printable(byte) ? byte :
		     0x100 + (uint32_t)hidden_before(byte);

	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	to[0] = (char)(0xc0 | c >> 6);
	to[1] = (char)(0x80 | (c & 0x3f));
	return 2;
}

int byte_of_char(uint32_t c)
{
	if (c < 0x100)
		return is_printable((int)c) ? (int)c : -1;
	c -= 0x100;
	if (c > 67)
		return -1;
	return c < 33 ? (int)c : c < 67 ? (int)c - 33 + 0x7f : 0xad;
}
