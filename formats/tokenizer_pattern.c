/*
 * A tokenizer.json's patterns are in Oniguruma's syntax. PCRE2 reads them with
 * these differences: \s, \w, \h and \b are others; scripts are extended
 * ones; classes do not nest and have no &&; ^ and $ know no lines.
 */
#include "formats/tokenizer_parts.h"

#include <string.h>

/* Outside of a class ^2 ^3 ^1 1/4 1/2 3/4, as they stand in Latin-1, are of
 * a word too. */
#define WORD "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"
#define ALONE WORD "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}"
#define EDGE "(?:(?<=[" ALONE "])(?![" ALONE "])|(?<![" ALONE "])(?=[" \
	ALONE "]))"
#define HEX  "0-9A-Fa-f"

/* clang-format off */
static const struct {
	char letter;
	const char *outside, *inside; /* of a class; NULL: cannot be said */
} escapes[] = {
	{ 's', "\\p{White_Space}", "\\p{White_Space}" },
	{ 'S', "\\P{White_Space}", "\\P{White_Space}" },
	{ 'w', "[" ALONE "]",      WORD },
	{ 'W', "[^" ALONE "]",     NULL },
	{ 'b', EDGE,               NULL },
	{ 'B', "(?!" EDGE ")",     NULL },
	{ 'h', "[" HEX "]",        HEX },
	{ 'H', "[^" HEX "]",       NULL },
};

static const char *const scripts[] = {
	"Arabic", "Bengali", "Cyrillic", "Devanagari", "Greek", "Han",
	"Hangul", "Hebrew", "Hiragana", "Katakana", "Lao", "Latin", "Tamil",
	"Thai", NULL
};
/* clang-format on */

static int is_script(const char *name, size_t n)
{
	for (size_t i = 0; scripts[i]; i++)
		if (strlen(scripts[i]) == n && !memcmp(scripts[i], name, n))
			return 1;
	return 0;
}

/* \p{Name}: *used bytes of at, which begins with the backslash. */
static int property(struct text *out, const char *at, size_t n, size_t *used)
{
	const char *end = n > 3 && at[2] == '{' ?
			  memchr(at + 3, '}', n - 3) : NULL;
	const char *name = at + 3;

	if (!end)
		return err_set(E_DATA, "a pattern's \\%c has no name", at[1]);
	*used = (size_t)(end - at) + 1;
	TRY(text_add(out, at, 3));
	if (name < end && *name == '^')
		TRY(text_add(out, name++, 1));
	if (is_script(name, (size_t)(end - name)))
		TRY(text_add_string(out, "sc:"));
	return text_add(out, name, (size_t)(end - name) + 1);
}

static int escape(struct text *out, const char *at, size_t n, int inside,
		  size_t *used)
{
	*used = 2;
	if (n < 2)
		return err_set(E_DATA, "a pattern ends with a backslash");
	if (at[1] == 'p' || at[1] == 'P')
		return property(out, at, n, used);
	if (at[1] == 'u' && n >= 6) {
		*used = 6;
		TRY(text_add_string(out, "\\x{"));
		TRY(text_add(out, at + 2, 4));
		return text_add_string(out, "}");
	}
	for (size_t i = 0; i < sizeof(escapes) / sizeof(*escapes); i++) {
		const char *as = inside ? escapes[i].inside :
					  escapes[i].outside;

		if (escapes[i].letter != at[1])
			continue;
		if (!as)
			return err_set(E_DATA, "a pattern's class has \\%c",
				       at[1]);
		return text_add_string(out, as);
	}
	return text_add(out, at, 2);
}

/* A character that is no escape; *first: just behind [ or [^. */
static int plain(struct text *out, const char *at, size_t n, int *inside,
		 int *first, size_t *used)
{
	int was_first = *first;

	*used = 1;
	*first = 0;
	if (!*inside) {
		if (*at == '[')
			*inside = *first = 1;
		if (*first && n > 1 && at[1] == '^')
			*used = 2;
		if (n > 2 && at[0] == '(' && at[1] == '?' && at[2] == 'm')
			return err_set(E_DATA, "a pattern has (?m");
		return text_add(out, at, *used);
	}
	if (*at == '[') {
		const char *end = n > 1 && at[1] == ':' ?
				  memchr(at, ']', n) : NULL;

		if (!end)
			return err_set(E_DATA, "a pattern's class nests");
		*used = (size_t)(end - at) + 1;
	} else if (*at == '&' && n > 1 && at[1] == '&') {
		return err_set(E_DATA, "a pattern's class has &&");
	} else if (*at == ']' && !was_first) {
		*inside = 0;
	}
	return text_add(out, at, *used);
}

int pattern_translate(struct text *out, const char *pattern, size_t size)
{
	int inside = 0, first = 0;

	TRY(text_add_string(out, "(?m)"));
	for (size_t i = 0, used; i < size; i += used) {
		if (pattern[i] != '\\') {
			TRY(plain(out, pattern + i, size - i, &inside, &first,
				  &used));
			continue;
		}
		first = 0;
		TRY(escape(out, pattern + i, size - i, inside, &used));
	}
	return 0;
}
