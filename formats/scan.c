#include "formats/scan.h"

#include <string.h>

#include "base/err.h"
#include "base/size.h"

int scan_bad(const struct scan *s, const char *what)
{
	return err_set(E_DATA, "header byte %zu: %s",
		       (size_t)(s->at - s->start), what);
}

void scan_space(struct scan *s)
{
	while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' ||
				  *s->at == '\n' || *s->at == '\r'))
		s->at++;
}

/* The next byte that is no space; 0 at the end. */
int scan_next(struct scan *s)
{
	scan_space(s);
	return s->at < s->end ? *s->at : 0;
}

int scan_want(struct scan *s, int c)
{
	char what[] = "expected ' '";

	if (scan_next(s) != c) {
		what[10] = (char)c;
		return scan_bad(s, what);
	}
	s->at++;
	return 0;
}

static int scan_hex(struct scan *s, unsigned *v)
{
	*v = 0;
	for (int i = 0; i < 4; i++) {
		int c = s->at < s->end ? *s->at : 0;
		int digit = c >= '0' && c <= '9' ? c - '0' :
			    c >= 'a' && c <= 'f' ? c - 'a' + 10 :
			    c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;

		if (digit < 0)
			return scan_bad(s, "bad \\u escape");
		*v = *v << 4 | (unsigned)digit;
		s->at++;
	}
	return 0;
}

static void put_utf8(struct scan *s, unsigned c)
{
	if (c < 0x80) {
		*s->text++ = (char)c;
		return;
	}
	if (c < 0x800) {
		*s->text++ = (char)(0xc0 | c >> 6);
	} else {
		if (c < 0x10000) {
			*s->text++ = (char)(0xe0 | c >> 12);
		} else {
			*s->text++ = (char)(0xf0 | c >> 18);
			*s->text++ = (char)(0x80 | (c >> 12 & 63));
		}
		*s->text++ = (char)(0x80 | (c >> 6 & 63));
	}
	*s->text++ = (char)(0x80 | (c & 63));
}

static int scan_escape(struct scan *s)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	unsigned c, low;
	const char *p;

	if (s->at == s->end)
		return scan_bad(s, "the string has no end");
	c = *s->at++;
	if (c != 'u') {
		p = c ? strchr(from, (int)c) : NULL;
		if (!p)
			return scan_bad(s, "bad escape");
		*s->text++ = to[p - from];
		return 0;
	}
	TRY(scan_hex(s, &c));
	if (c >= 0xd800 && c < 0xdc00) {
		if (s->end - s->at < 2 || s->at[0] != '\\' || s->at[1] != 'u')
			return scan_bad(s, "half of a surrogate pair");
		s->at += 2;
		TRY(scan_hex(s, &low));
		if (low < 0xdc00 || low > 0xdfff)
			return scan_bad(s, "half of a surrogate pair");
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	} else if (c >= 0xdc00 && c < 0xe000) {
		return scan_bad(s, "half of a surrogate pair");
	}
	if (!c)
		return scan_bad(s, "a zero byte in a string");
	put_utf8(s, c);
	return 0;
}

/* Bytes of the UTF-8 character at p; 0: none that is well-formed. */
static size_t utf8_length(const unsigned char *p, size_t have)
{
	static const unsigned least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = *p < 0x80 ? 1 : *p >= 0xc2 && *p < 0xe0 ? 2 :
		   *p >= 0xe0 && *p < 0xf0 ? 3 :
		   *p >= 0xf0 && *p < 0xf5 ? 4 : 0;
	unsigned c;

	if (n < 2)
		return n;
	if (n > have)
		return 0;
	c = *p & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 63);
	}
	return c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ?
	       0 : n;
}

/* A string, unescaped and ended with 0; it is never longer than its text. */
int scan_string(struct scan *s, const char **text)
{
	TRY(scan_want(s, '"'));
	*text = s->text;
	while (s->at < s->end && *s->at != '"') {
		size_t n;

		if (*s->at < 0x20)
			return scan_bad(s, "a control byte in a string");
		if (*s->at == '\\') {
			s->at++;
			TRY(scan_escape(s));
			continue;
		}
		n = utf8_length(s->at, (size_t)(s->end - s->at));
		if (!n)
			return scan_bad(s, "not UTF-8");
		memcpy(s->text, s->at, n);
		s->text += n;
		s->at += n;
	}
	if (s->at == s->end)
		return scan_bad(s, "the string has no end");
	s->at++;
	*s->text++ = 0;
	return 0;
}

static int scan_number(struct scan *s, size_t *v)
{
	int c = scan_next(s);

	*v = 0;
	if (c < '0' || c > '9')
		return scan_bad(s, "expected a whole number");
	if (c == '0' && s->end - s->at > 1 && s->at[1] >= '0' &&
	    s->at[1] <= '9')
		return scan_bad(s, "a number that begins with 0");
	for (; s->at < s->end && *s->at >= '0' && *s->at <= '9'; s->at++)
		if (size_mul(v, *v, 10) ||
		    size_add(v, *v, (size_t)(*s->at - '0')))
			return scan_bad(s, "the number is too large");
	return 0;
}

/* [1, 2, 3]: at most most of them. */
int scan_numbers(struct scan *s, size_t *v, int most, int *n)
{
	*n = 0;
	TRY(scan_want(s, '['));
	if (scan_next(s) == ']') {
		s->at++;
		return 0;
	}
	for (;;) {
		if (*n == most)
			return scan_bad(s, "too many numbers");
		TRY(scan_number(s, &v[(*n)++]));
		if (scan_next(s) != ',')
			return scan_want(s, ']');
		s->at++;
	}
}
