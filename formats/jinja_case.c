/* Characters: blanks, upper and lower case, as Python's str has them. */
#include "formats/jinja_parts.h"

#include "formats/unicode.h"

size_t jinja_chars(const struct jval *text)
{
	size_t n = 0;

	for (size_t i = 0; i < text->n; i++)
		n += ((unsigned char)text->text[i] & 0xc0) != 0x80;
	return n;
}

int jinja_is_space(uint32_t c)
{
	return (c >= 0x1c && c <= 0x1f) || unicode_is_space(c);
}

static int stripped(uint32_t c, const struct jval *set)
{
	uint32_t one;

	if (!set)
		return jinja_is_space(c);
	for (size_t i = 0; i < set->n;) {
		i += unicode_get(set->text + i, set->n - i, &one);
		if (one == c)
			return 1;
	}
	return 0;
}

struct jval jinja_strip(struct jval s, const struct jval *set, int left,
			int right)
{
	uint32_t c;
	size_t k;

	while (left && s.n && (k = unicode_get(s.text, s.n, &c),
			       stripped(c, set))) {
		s.text += k;
		s.n -= k;
	}
	while (right && s.n && (k = unicode_last(s.text, s.n, &c),
				stripped(c, set)))
		s.n -= k;
	return s;
}

static int add(struct jheap *h, struct jtext *t, const uint32_t *c, size_t n)
{
	char to[4];

	for (size_t i = 0; i < n; i++)
		TRY(jtext_add(h, t, to, unicode_put(to, c[i])));
	return 0;
}

int jinja_upper(struct jheap *h, struct jtext *t, const char *s, size_t n)
{
	uint32_t c, to[4];

	for (size_t i = 0; i < n;) {
		i += unicode_get(s + i, n - i, &c);
		TRY(add(h, t, to, unicode_to_upper(c, to)));
	}
	return 0;
}

/* A capital sigma at the end of a word has a form of its own. */
static int ends_word(const char *s, size_t n, size_t at, size_t size)
{
	size_t i = at;
	uint32_t c = 0;

	while (i) {
		i -= unicode_last(s, i, &c);
		if (!unicode_is_ignorable(c))
			break;
	}
	if (!at || unicode_is_ignorable(c) || !unicode_is_cased(c))
		return 0;
	for (i = at + size; i < n;) {
		i += unicode_get(s + i, n - i, &c);
		if (!unicode_is_ignorable(c))
			return !unicode_is_cased(c);
	}
	return 1;
}

/* The character at i of s; *k: its bytes. */
static int lower_one(struct jheap *h, struct jtext *t, const char *s, size_t n,
		     size_t i, size_t *k)
{
	uint32_t c, to[4];
	size_t many = 1;

	*k = unicode_get(s + i, n - i, &c);
	if (c == 0x3a3)
		to[0] = ends_word(s, n, i, *k) ? 0x3c2 : 0x3c3;
	else
		many = unicode_to_lower(c, to);
	return add(h, t, to, many);
}

static int lower_at(struct jheap *h, struct jtext *t, const char *s, size_t n,
		    size_t from)
{
	for (size_t i = from, k; i < n; i += k)
		TRY(lower_one(h, t, s, n, i, &k));
	return 0;
}

int jinja_lower(struct jheap *h, struct jtext *t, const char *s, size_t n)
{
	return lower_at(h, t, s, n, 0);
}

int jinja_title(struct jheap *h, struct jtext *t, const char *s, size_t n)
{
	uint32_t c, to[4];
	size_t k;

	if (!n)
		return 0;
	k = unicode_get(s, n, &c);
	TRY(add(h, t, to, unicode_to_title(c, to)));
	return lower_at(h, t, s, n, k);
}

int jinja_titles(struct jheap *h, struct jtext *t, const char *s, size_t n)
{
	uint32_t c, to[4];
	int inside = 0;

	for (size_t i = 0, k; i < n; i += k) {
		k = unicode_get(s + i, n - i, &c);
		if (inside)
			TRY(lower_one(h, t, s, n, i, &k));
		else
			TRY(add(h, t, to, unicode_to_title(c, to)));
		inside = unicode_is_cased(c);
	}
	return 0;
}
