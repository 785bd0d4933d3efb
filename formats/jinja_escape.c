/* What the escapes in a string stand for: Python's. */
#include "formats/jinja_parts.h"

#include "formats/unicode.h"

#include <stdlib.h>

static int hex(const char *s, size_t left, size_t n, uint32_t *c)
{
	char digits[9] = { 0 };

	if (left < n)
		return 0;
	memcpy(digits, s, n);
	*c = (uint32_t)strtoul(digits, NULL, 16);
	return strspn(digits, "0123456789abcdefABCDEF") == n;
}

static size_t octal(const char *s, size_t left, uint32_t *c)
{
	size_t n = 0;

	for (*c = 0; n < left && n < 3 && s[n] >= '0' && s[n] <= '7'; n++)
		*c = *c * 8 + (uint32_t)(s[n] - '0');
	return n;
}

/* s is behind the backslash; *n: bytes of the escape. */
static int escape(const char *s, size_t left, uint32_t *c, size_t *n)
{
	static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
	const char *known = strchr(from, *s);

	*n = 1;
	if (known && *s) {
		*c = (unsigned char)to[known - from];
		return 1;
	}
	if (*s == 'x' || *s == 'u' || *s == 'U') {
		*n = *s == 'x' ? 3 : *s == 'u' ? 5 : 9;
		return hex(s + 1, left - 1, *n - 1, c) && *c < 0x110000 &&
		       (*c < 0xd800 || *c > 0xdfff);
	}
	*n = octal(s, left, c);
	return *n != 0;
}

int jinja_unescape(struct jheap *h, struct jtoken *t)
{
	struct jtext out = { 0 };
	size_t i = 0, n;
	uint32_t c;

	while (i < t->n) {
		const char *slash = memchr(t->text + i, '\\', t->n - i);
		size_t plain = slash ? (size_t)(slash - t->text) - i :
			       t->n - i;
		char to[4];

		TRY(jtext_add(h, &out, t->text + i, plain));
		i += plain + 1;
		if (!slash || i >= t->n)
			break;
		if (t->text[i] == '\n') {
			i++;
		} else if (escape(t->text + i, t->n - i, &c, &n)) {
			TRY(jtext_add(h, &out, to, unicode_put(to, c)));
			i += n;
		} else if (strchr("xuUN", t->text[i])) {
			return jinja_fail(t->line, "a string has an escape "
					  "\\%c that is no character",
					  t->text[i]);
		} else {
			TRY(jtext_add(h, &out, "\\", 1));
		}
	}
	t->text = out.n ? out.at : "";
	t->n = out.n;
	return 0;
}
