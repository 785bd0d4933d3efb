/* Normalizers: text before it is cut. */
#include "formats/tokenizer_parts.h"
#include "formats/unicode.h"

#include <string.h>

/* A string under key, which must be there, into t. */
static int get(struct text *t, json_t *spec, const char *key)
{
	json_t *value = json_object_get(spec, key);

	if (!json_is_string(value))
		return err_set(E_DATA, "%s is no string", key);
	return text_add(t, json_string_value(value),
			json_string_length(value));
}

static int prepend_init(struct step *s, json_t *spec)
{
	return get(&s->a, spec, "prepend");
}

static int prepend(const struct step *s, const struct text *from,
		   struct text *to)
{
	if (from->n)
		TRY(text_add(to, s->a.at, s->a.n));
	return text_add(to, from->at, from->n);
}

static int replace_init(struct step *s, json_t *spec)
{
	TRY(step_pattern(s, spec, "pattern"));
	return get(&s->b, spec, "content");
}

static int replace(const struct step *s, const struct text *from,
		   struct text *to)
{
	struct walk w = { 0 };
	struct span at;
	size_t done = 0;
	int found;

	for (;;) {
		TRY(step_match(s, from->at, from->n, &w, &found, &at));
		if (!found)
			break;
		TRY(text_add(to, from->at + done, at.start - done));
		TRY(text_add(to, s->b.at, s->b.n));
		done = at.end;
	}
	return text_add(to, from->at + done, from->n - done);
}

#define FORM(lower, UPPER)                                             \
	static int lower(const struct step *s, const struct text *from, \
			 struct text *to)                               \
	{                                                               \
		(void)s;                                                \
		return unicode9_normalize(to, UNICODE_##UPPER,          \
					  from->at, from->n);           \
	}

FORM(nfc, NFC)
FORM(nfd, NFD)
FORM(nfkc, NFKC)
FORM(nfkd, NFKD)

static int lowercase(const struct step *s, const struct text *from,
		     struct text *to)
{
	(void)s;
	return unicode_lower(to, from->at, from->n);
}

static int strip_init(struct step *s, json_t *spec)
{
	s->flag = json_flag(spec, "strip_left", 1);
	s->mode = json_flag(spec, "strip_right", 1);
	return 0;
}

static int strip(const struct step *s, const struct text *from,
		 struct text *to)
{
	size_t start = 0, end = from->n, n;
	uint32_t c;

	while (s->flag && start < end) {
		n = unicode_get(from->at + start, end - start, &c);
		if (!unicode_is_space(c))
			break;
		start += n;
	}
	while (s->mode && start < end) {
		n = unicode_last(from->at + start, end - start, &c);
		if (!unicode_is_space(c))
			break;
		end -= n;
	}
	return text_add(to, from->at + start, end - start);
}

static int strip_accents(const struct step *s, const struct text *from,
			 struct text *to)
{
	uint32_t c;

	(void)s;
	for (size_t i = 0, n; i < from->n; i += n) {
		n = unicode_get(from->at + i, from->n - i, &c);
		if (!unicode9_is_mark(c))
			TRY(text_add(to, from->at + i, n));
	}
	return 0;
}

static int bytes(const struct step *s, const struct text *from,
		 struct text *to)
{
	char c[2];

	(void)s;
	for (size_t i = 0; i < from->n; i++)
		TRY(text_add(to, c,
			     byte_to_char((unsigned char)from->at[i], c)));
	return 0;
}

/* clang-format off */
static const struct step_kind kinds[] = {
	{ "Prepend",      prepend_init, .normalize = prepend },
	{ "Replace",      replace_init, .normalize = replace },
	{ "NFC",          NULL,         .normalize = nfc },
	{ "NFD",          NULL,         .normalize = nfd },
	{ "NFKC",         NULL,         .normalize = nfkc },
	{ "NFKD",         NULL,         .normalize = nfkd },
	{ "Lowercase",    NULL,         .normalize = lowercase },
	{ "Strip",        strip_init,   .normalize = strip },
	{ "StripAccents", NULL,         .normalize = strip_accents },
	{ "ByteLevel",    NULL,         .normalize = bytes },
	{ NULL }
};
/* clang-format on */

const struct step_family step_normalizers = { "normalizer", "normalizers",
					      kinds };

int steps_normalize(const struct steps *s, struct text *text,
		    struct text *spare)
{
	for (size_t i = 0; i < s->n; i++) {
		spare->n = 0;
		TRY(text_room(spare, text->n));
		TRY(s->at[i].kind->normalize(&s->at[i], text, spare));
		text_swap(text, spare);
	}
	return 0;
}
