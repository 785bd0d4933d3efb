#include "formats/msg_scan.h"

#include <stdint.h>
#include <string.h>

#include "formats/msg.h"

enum type { T_INT, T_OTHER, T_TEXT, T_BIN, T_ARRAY, T_MAP, T_BAD };

struct scan {
	const unsigned char *at;
	size_t n, i;
};

struct level {
	size_t left;            /* values that are still to come */
	int map;                /* every second one, from the first, a key */
	const unsigned char *key;
	size_t keylen;
};

struct head {
	enum type type;
	uint64_t n;             /* bytes or entries */
};

/* Bytes of the number after the first byte c, its type, and the least value
 * that needs so many (below it, the form was not the shortest). */
struct form {
	unsigned char type, bytes;
	uint64_t least;
};

static const struct form form[0xe0 - 0xc0] = {
	/* clang-format off */
	[0x00] = { T_OTHER, 0, 0 },             /* nil */
	[0x01] = { T_BAD, 0, 0 },
	[0x02] = { T_OTHER, 0, 0 },             /* false */
	[0x03] = { T_OTHER, 0, 0 },             /* true */
	[0x04] = { T_BIN, 1, 0 },
	[0x05] = { T_BIN, 2, 1 << 8 },
	[0x06] = { T_BIN, 4, 1 << 16 },
	[0x07] = { T_BAD, 0, 0 }, [0x08] = { T_BAD, 0, 0 },     /* ext */
	[0x09] = { T_BAD, 0, 0 }, [0x0a] = { T_BAD, 0, 0 },     /* f32 */
	[0x0b] = { T_OTHER, 8, 0 },             /* f64 */
	[0x0c] = { T_INT, 1, 1 << 7 },
	[0x0d] = { T_INT, 2, 1 << 8 },
	[0x0e] = { T_INT, 4, 1 << 16 },
	[0x0f] = { T_INT, 8, (uint64_t)1 << 32 },
	[0x10] = { T_INT, 1, 0 }, [0x11] = { T_INT, 2, 0 },     /* negative */
	[0x12] = { T_INT, 4, 0 }, [0x13] = { T_INT, 8, 0 },
	[0x14] = { T_BAD, 0, 0 }, [0x15] = { T_BAD, 0, 0 },     /* fixext */
	[0x16] = { T_BAD, 0, 0 }, [0x17] = { T_BAD, 0, 0 },
	[0x18] = { T_BAD, 0, 0 },
	[0x19] = { T_TEXT, 1, 32 },
	[0x1a] = { T_TEXT, 2, 1 << 8 },
	[0x1b] = { T_TEXT, 4, 1 << 16 },
	[0x1c] = { T_ARRAY, 2, 16 },
	[0x1d] = { T_BAD, 0, 0 },               /* array32 */
	[0x1e] = { T_MAP, 2, 16 },
	[0x1f] = { T_BAD, 0, 0 },               /* map32 */
	/* clang-format on */
};

static int bad(const struct scan *s, const char *what)
{
	return err_set(E_DATA, "header byte %zu: %s", s->i, what);
}

/* Negative integers take the shortest form that holds them. */
static int negative_is_short(uint64_t v, unsigned bytes)
{
	switch (bytes) {
	case 1:
		return (int8_t)v < -32;
	case 2:
		return (int16_t)v < INT8_MIN;
	case 4:
		return (int32_t)v < INT16_MIN;
	default:
		return (int64_t)v < INT32_MIN;
	}
}

static int get_wide(struct scan *s, struct head *h, unsigned c)
{
	const struct form *f = &form[c - 0xc0];
	uint64_t v = 0;

	if (f->type == T_BAD)
		return bad(s, "a type that is not used here");
	if (s->n - s->i < f->bytes)
		return bad(s, "cut short");
	for (unsigned k = 0; k < f->bytes; k++)
		v = v << 8 | s->at[s->i++];
	if (v < f->least || (c >= 0xd0 && c <= 0xd3 &&
			     !negative_is_short(v, f->bytes)))
		return bad(s, "not the shortest form");
	h->type = f->type;
	h->n = f->type == T_INT || f->type == T_OTHER ? 0 : v;
	return 0;
}

static int get_head(struct scan *s, struct head *h)
{
	unsigned c;

	if (s->i == s->n)
		return bad(s, "cut short");
	c = s->at[s->i++];
	*h = (struct head){ T_INT, 0 };
	if (c < 0x80 || c >= 0xe0)
		return 0;
	if (c < 0x90)
		*h = (struct head){ T_MAP, c & 15 };
	else if (c < 0xa0)
		*h = (struct head){ T_ARRAY, c & 15 };
	else if (c < 0xc0)
		*h = (struct head){ T_TEXT, c & 31 };
	else
		return get_wide(s, h, c);
	return 0;
}

/* Length of the UTF-8 character at p, 0 if it is none (or NUL): Unicode 15,
 * table 3-7. */
static size_t utf8_length(const unsigned char *p, size_t n)
{
	static const unsigned char mask[5] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	static const uint32_t least[5] = { 0, 1, 0x80, 0x800, 0x10000 };
	size_t len = p[0] < 0x80 ? 1 :
		     p[0] < 0xc0 ? 0 :
		     p[0] < 0xe0 ? 2 :
		     p[0] < 0xf0 ? 3 :
		     p[0] < 0xf8 ? 4 :
				   0;
	uint32_t u = p[0] & mask[len];

	if (!len || len > n)
		return 0;
	for (size_t k = 1; k < len; k++) {
		if ((p[k] & 0xc0) != 0x80)
			return 0;
		u = u << 6 | (p[k] & 0x3f);
	}
	if (u < least[len] || u > 0x10ffff || (u >= 0xd800 && u < 0xe000))
		return 0;
	return len;
}

static int check_text(struct scan *s, size_t n)
{
	size_t end = s->i + n;

	while (s->i < end) {
		size_t len = utf8_length(s->at + s->i, end - s->i);

		if (!len)
			return bad(s, "text that is not UTF-8");
		s->i += len;
	}
	return 0;
}

static int check_key(struct scan *s, struct level *l, const struct head *h)
{
	const unsigned char *key = s->at + s->i;
	size_t least = l->keylen < h->n ? l->keylen : (size_t)h->n;
	int order;

	if (h->type != T_TEXT || h->n > s->n - s->i)
		return bad(s, "a key that is no text");
	if (l->key) {
		order = memcmp(l->key, key, least);
		if (order > 0 || (!order && l->keylen >= h->n))
			return bad(s, "keys not in order, or the same twice");
	}
	l->key = key;
	l->keylen = (size_t)h->n;
	return 0;
}

/* One value, whose entries, if it has them, become a new level. */
static int step(struct scan *s, struct level *level, size_t *depth)
{
	struct level *l = &level[*depth - 1];
	struct head h = { T_BAD, 0 };

	TRY(get_head(s, &h));
	if (l->map && l->left % 2 == 0)
		TRY(check_key(s, l, &h));
	l->left--;
	if (h.n > s->n - s->i)
		return bad(s, "a count larger than what is left");
	if (h.type == T_TEXT)
		return check_text(s, (size_t)h.n);
	if (h.type == T_BIN)
		s->i += (size_t)h.n;
	if (h.type != T_ARRAY && h.type != T_MAP)
		return 0;
	if (*depth > MSG_DEPTH)
		return bad(s, "nested too deep");
	level[(*depth)++] = (struct level){
		.left = (size_t)h.n << (h.type == T_MAP),
		.map = h.type == T_MAP,
	};
	return 0;
}

int msg_scan(const void *at, size_t n)
{
	struct scan s = { at, n, 0 };
	struct level level[MSG_DEPTH + 1] = { { .left = 1 } };
	size_t depth = 1;

	if (!n || !((s.at[0] & 0xf0) == 0x80 || s.at[0] == 0xde))
		return bad(&s, "no map");
	while (depth) {
		if (!level[depth - 1].left)
			depth--;
		else
			TRY(step(&s, level, &depth));
	}
	if (s.i != n)
		return bad(&s, "bytes after the map");
	return 0;
}
