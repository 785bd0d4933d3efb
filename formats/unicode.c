#include "formats/unicode.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* Bytes of the well-formed character at text, or 0; then *bad is the length of
 * the maximal subpart that one U+FFFD stands for (Unicode, table 3-7). */
static size_t well_formed(const unsigned char *s, size_t size, size_t *bad)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t n;

	*bad = 1;
	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	for (size_t i = 1; i < n; i++) {
		if (i == size || s[i] < low || s[i] > high) {
			*bad = i;
			return 0;
		}
		low = 0x80;
		high = 0xbf;
	}
	return n;
}

/* Bytes at the head of text that are ASCII, in steps of eight. */
static size_t ascii(const char *text, size_t size)
{
	size_t i = 0;
	uint64_t word;

	for (; size - i >= sizeof(word); i += sizeof(word)) {
		memcpy(&word, text + i, sizeof(word));
		if (word & 0x8080808080808080u)
			break;
	}
	return i;
}

size_t unicode_valid(const char *text, size_t size)
{
	size_t i = ascii(text, size), n, bad;

	while (i < size) {
		n = well_formed((const unsigned char *)text + i, size - i,
				&bad);
		if (!n)
			break;
		i += n;
		if (n == 1)
			i += ascii(text + i, size - i);
	}
	return i;
}

int unicode_clean(struct text *out, const char *text, size_t size)
{
	size_t i = 0, n, bad;

	if (!size)
		return text_add(out, "", 0);
	for (;;) {
		n = unicode_valid(text + i, size - i);
		TRY(text_add(out, text + i, n));
		i += n;
		if (i == size)
			return 0;
		well_formed((const unsigned char *)text + i, size - i, &bad);
		TRY(text_add(out, "\xef\xbf\xbd", 3));
		i += bad;
	}
}

size_t unicode_get(const char *text, size_t size, uint32_t *c)
{
	const unsigned char *s = (const unsigned char *)text;

	*c = s[0];
	if (s[0] < 0x80 || size < 2)
		return 1;
	if (s[0] < 0xe0 || size < 3) {
		*c = (s[0] & 0x1fu) << 6 | (s[1] & 0x3fu);
		return 2;
	}
	if (s[0] < 0xf0 || size < 4) {
		*c = (s[0] & 0x0fu) << 12 | (s[1] & 0x3fu) << 6 |
		     (s[2] & 0x3fu);
		return 3;
	}
	*c = (s[0] & 0x07u) << 18 | (s[1] & 0x3fu) << 12 |
	     (s[2] & 0x3fu) << 6 | (s[3] & 0x3fu);
	return 4;
}

size_t unicode_last(const char *text, size_t size, uint32_t *c)
{
	size_t n = 1;

	while (n < size && n < 4 && (text[size - n] & 0xc0) == 0x80)
		n++;
	unicode_get(text + size - n, n, c);
	return n;
}

size_t unicode_put(char to[4], uint32_t c)
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xc0 | c >> 6);
		to[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (char)(0xe0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 0x3f));
		to[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | c >> 18);
	to[1] = (char)(0x80 | (c >> 12 & 0x3f));
	to[2] = (char)(0x80 | (c >> 6 & 0x3f));
	to[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

static utf8proc_category_t category(uint32_t c)
{
	return utf8proc_category((utf8proc_int32_t)c);
}

int unicode_is_number(uint32_t c)
{
	utf8proc_category_t k;

	if (c < 0x80)
		return c >= '0' && c <= '9';
	k = category(c);
	return k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_NL ||
	       k == UTF8PROC_CATEGORY_NO;
}

int unicode_is_space(uint32_t c)
{
	return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0 ||
	       c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
	       c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

int unicode_is_word(uint32_t c)
{
	utf8proc_category_t k = category(c);

	return (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_NL) ||
	       k == UTF8PROC_CATEGORY_PC || (c >= 0x24b6 && c <= 0x24e9) ||
	       (c >= 0x1f130 && c <= 0x1f149) ||
	       (c >= 0x1f150 && c <= 0x1f169) ||
	       (c >= 0x1f170 && c <= 0x1f189) || c == 0x200c || c == 0x200d;
}

int unicode_is_mark(uint32_t c)
{
	utf8proc_category_t k = category(c);

	return k >= UTF8PROC_CATEGORY_MN && k <= UTF8PROC_CATEGORY_ME;
}

int unicode_is_punctuation(uint32_t c)
{
	utf8proc_category_t k = category(c);

	if (c < 0x80)
		return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) ||
		       (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
	return k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO;
}

/* No character below U+0300 composes with one before it. */
static int is_nfc_at_sight(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)text[i] >= 0xcc)
			return 0;
	return 1;
}

int unicode_normalize(struct text *out, enum unicode_form form,
		      const char *text, size_t size)
{
	static const utf8proc_option_t options[] = {
		[UNICODE_NFC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE,
		[UNICODE_NFD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE,
		[UNICODE_NFKC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE |
				 UTF8PROC_COMPAT,
		[UNICODE_NFKD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE |
				 UTF8PROC_COMPAT,
	};
	utf8proc_uint8_t *to = NULL;
	utf8proc_ssize_t n;
	int err;

	if (form == UNICODE_NFC && is_nfc_at_sight(text, size))
		return text_add(out, text, size);
	n = utf8proc_map((const utf8proc_uint8_t *)text,
			 (utf8proc_ssize_t)size, &to, options[form]);
	if (n < 0)
		return err_set(n == UTF8PROC_ERROR_NOMEM ? E_NOMEM : E_DATA,
			       "normalising text: %s", utf8proc_errmsg(n));
	err = text_add(out, to, (size_t)n);
	free(to);
	return err;
}

int unicode_lower(struct text *out, const char *text, size_t size)
{
	char to[4];
	uint32_t c;

	for (size_t i = 0; i < size;) {
		i += unicode_get(text + i, size - i, &c);
		if (c == 0x130) { /* the one that becomes two */
			TRY(text_add(out, "i\xcc\x87", 3));
			continue;
		}
		c = (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
		TRY(text_add(out, to, unicode_put(to, c)));
	}
	return 0;
}
