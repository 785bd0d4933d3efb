/*
 * Case, by way of case folding: where a character's upper case is more than
 * one, so is its folding, which utf8proc knows, and the upper case of its parts
 * is what Unicode's SpecialCasing.txt has.
 */
#include "formats/unicode.h"

#include <utf8proc.h>

static utf8proc_category_t category(uint32_t c)
{
	return utf8proc_category((utf8proc_int32_t)c);
}

int unicode_is_printable(uint32_t c)
{
	utf8proc_category_t k = category(c);

	return k >= UTF8PROC_CATEGORY_LU && k < UTF8PROC_CATEGORY_ZS;
}

int unicode_is_letter(uint32_t c)
{
	utf8proc_category_t k = category(c);

	return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

int unicode_is_digit(uint32_t c)
{
	return category(c) == UTF8PROC_CATEGORY_ND;
}

static uint32_t upper(uint32_t c)
{
	return (uint32_t)utf8proc_toupper((utf8proc_int32_t)c);
}

/* More than one: the folding's parts. */
static size_t fold(uint32_t c, uint32_t to[4])
{
	utf8proc_int32_t parts[8];
	utf8proc_ssize_t n;

	if (c < 0x80 || category(c) == UTF8PROC_CATEGORY_LU)
		return 1;
	n = utf8proc_decompose_char((utf8proc_int32_t)c, parts, 8,
				    UTF8PROC_CASEFOLD, NULL);
	if (n < 2 || n > 3)
		return 1;
	for (utf8proc_ssize_t i = 0; i < n; i++)
		to[i] = (uint32_t)parts[i];
	return (size_t)n;
}

size_t unicode_to_upper(uint32_t c, uint32_t to[4])
{
	size_t n = fold(c, to);

	if (n == 1)
		to[0] = c;
	for (size_t i = 0; i < n; i++)
		to[i] = upper(to[i]);
	return n;
}

/* As upper case, but the digraphs and the Greek letters with an iota have a
 * title case of their own, which is one character. The sharp s has none in
 * Unicode, though utf8proc gives the capital one (U+1E9E). */
size_t unicode_to_title(uint32_t c, uint32_t to[4])
{
	uint32_t one = (uint32_t)utf8proc_totitle((utf8proc_int32_t)c);
	size_t n;

	to[0] = one;
	if ((one != c && c != 0xdf) || c < 0x80 ||
	    category(c) == UTF8PROC_CATEGORY_LT)
		return 1;
	n = fold(c, to);
	if (n == 1)
		to[0] = c;
	for (size_t i = 0; i < n; i++) {
		uint32_t was = to[i];

		to[i] = upper(was);
		if (to[i] != was)
			break;
	}
	return n;
}

size_t unicode_to_lower(uint32_t c, uint32_t to[4])
{
	to[0] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
	if (c != 0x130) /* the one that becomes two */
		return 1;
	to[0] = 'i';
	to[1] = 0x307;
	return 2;
}

int unicode_is_cased(uint32_t c)
{
	utf8proc_category_t k = category(c);

	return (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LT) ||
	       c == 0xaa || c == 0xba || (c >= 0x2b0 && c <= 0x2b8) ||
	       (c >= 0x2160 && c <= 0x217f) || (c >= 0x24b6 && c <= 0x24e9);
}

int unicode_is_ignorable(uint32_t c)
{
	utf8proc_category_t k = category(c);

	return k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_ME ||
	       k == UTF8PROC_CATEGORY_CF || k == UTF8PROC_CATEGORY_LM ||
	       k == UTF8PROC_CATEGORY_SK || c == '\'' || c == '.' ||
	       c == ':' || c == 0xb7 || c == 0x387 || c == 0x2018 ||
	       c == 0x2019 || c == 0x2024 || c == 0x2027;
}
