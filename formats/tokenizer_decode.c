/* Decoders: the texts of tokens into the text that they were. */
#include "formats/tokenizer_parts.h"
#include "formats/unicode.h"

#include <stdlib.h>
#include <string.h>

static int get(struct text *t, json_t *spec, const char *key,
	       const char *none)
{
	json_t *value = json_object_get(spec, key);

	if (!json_is_string(value))
		return none ? text_add_string(t, none) :
		       err_set(E_DATA, "%s is no string", key);
	return text_add(t, json_string_value(value),
			json_string_length(value));
}

/* Appends a token's bytes, or its own text if it is not of the alphabet. */
static int unmap(struct text *to, const char *token, size_t size)
{
	size_t before = to->n;
	uint32_t c;

	for (size_t i = 0; i < size;) {
		int byte;
		char b;

		i += unicode_get(token + i, size - i, &c);
		byte = byte_of_char(c);
		if (byte < 0) {
			to->n = before;
			return text_add(to, token, size);
		}
		b = (char)byte;
		TRY(text_add(to, &b, 1));
	}
	return 0;
}

static int bytelevel(const struct step *s, struct pieces *p)
{
	struct text all = { 0 };
	int err = 0;

	(void)s;
	for (size_t i = 0; i < p->n && !err; i++)
		err = unmap(&all, p->text.at + p->at[i].start,
			    p->at[i].end - p->at[i].start);
	if (!err)
		err = unicode_clean(&p->text_next, all.at, all.n);
	if (!err)
		err = pieces_next(p, 0, p->text_next.n);
	text_release(&all);
	pieces_step(p, 1);
	return err;
}

static int replace_init(struct step *s, json_t *spec)
{
	TRY(step_pattern(s, spec, "pattern"));
	return get(&s->b, spec, "content", NULL);
}

static int replace_in(const struct step *s, struct pieces *p,
		      const char *token, size_t size)
{
	struct walk w = { 0 };
	struct span at;
	size_t done = 0, start = p->text_next.n;
	int found;

	for (;;) {
		TRY(step_match(s, token, size, &w, &found, &at));
		if (!found)
			break;
		TRY(text_add(&p->text_next, token + done, at.start - done));
		TRY(text_add(&p->text_next, s->b.at, s->b.n));
		done = at.end;
	}
	TRY(text_add(&p->text_next, token + done, size - done));
	return pieces_next(p, start, p->text_next.n);
}

static int replace(const struct step *s, struct pieces *p)
{
	for (size_t i = 0; i < p->n; i++)
		TRY(replace_in(s, p, p->text.at + p->at[i].start,
			       p->at[i].end - p->at[i].start));
	pieces_step(p, 1);
	return 0;
}

/* "<0x0A>" is that byte; else -1. */
static int byte_token(const char *t, size_t size)
{
	char digits[3] = { 0 }, *end;
	unsigned long value;

	if (size != 6 || memcmp(t, "<0x", 3) || t[5] != '>')
		return -1;
	memcpy(digits, t + 3, 2);
	if (!strchr("0123456789abcdefABCDEF", digits[0]))
		return -1;
	value = strtoul(digits, &end, 16);
	return *end ? -1 : (int)value;
}

/* Bytes that make no text are a U+FFFD each. */
static int flush(struct pieces *p, struct text *bytes)
{
	size_t n = bytes->n;

	bytes->n = 0;
	if (unicode_valid(bytes->at, n) == n)
		return n ? pieces_add(p, bytes->at, n) : 0;
	while (n--)
		TRY(pieces_add(p, "\xef\xbf\xbd", 3));
	return 0;
}

static int fallback_run(struct pieces *p, struct text *bytes)
{
	for (size_t i = 0; i < p->n; i++) {
		const char *token = p->text.at + p->at[i].start;
		size_t size = p->at[i].end - p->at[i].start;
		int byte = byte_token(token, size);
		char b = (char)byte;

		if (byte >= 0) {
			TRY(text_add(bytes, &b, 1));
			continue;
		}
		TRY(flush(p, bytes));
		TRY(pieces_add(p, token, size));
	}
	return flush(p, bytes);
}

static int fallback(const struct step *s, struct pieces *p)
{
	struct text bytes = { 0 };
	int err = fallback_run(p, &bytes);

	(void)s;
	text_release(&bytes);
	pieces_step(p, 1);
	return err;
}

static int fuse(const struct step *s, struct pieces *p)
{
	(void)s;
	for (size_t i = 0; i < p->n; i++)
		TRY(text_add(&p->text_next, p->text.at + p->at[i].start,
			     p->at[i].end - p->at[i].start));
	TRY(pieces_next(p, 0, p->text_next.n));
	pieces_step(p, 1);
	return 0;
}

static int strip_init(struct step *s, json_t *spec)
{
	double left = json_number(spec, "start", 0);
	double right = json_number(spec, "stop", 0);

	if (left < 0 || left > 1000 || right < 0 || right > 1000)
		return err_set(E_DATA, "start or stop is out of range");
	s->flag = (int)left;
	s->mode = (int)right;
	return get(&s->a, spec, "content", " ");
}

static int strip(const struct step *s, struct pieces *p)
{
	size_t n = s->a.n;

	for (size_t i = 0; i < p->n; i++) {
		size_t start = p->at[i].start, end = p->at[i].end;

		for (int k = 0; k < s->flag && n && end - start >= n &&
		     !memcmp(p->text.at + start, s->a.at, n); k++)
			start += n;
		for (int k = 0; k < s->mode && n && end - start >= n &&
		     !memcmp(p->text.at + end - n, s->a.at, n); k++)
			end -= n;
		TRY(pieces_next(p, start, end));
	}
	pieces_step(p, 0);
	return 0;
}

static int metaspace_init(struct step *s, json_t *spec)
{
	const char *scheme = json_text(spec, "prepend_scheme", "always");

	s->flag = strcmp(scheme, "never") &&
		  json_flag(spec, "add_prefix_space", 1);
	return get(&s->a, spec, "replacement", "\xe2\x96\x81");
}

static int metaspace(const struct step *s, struct pieces *p)
{
	struct step with = *s;
	struct text space = { 0 };
	int err = 0;

	for (size_t i = 0; i < p->n && !err; i++) {
		space.n = 0;
		if (i || !s->flag)
			err = text_add_string(&space, " ");
		with.b = space;
		if (!err)
			err = replace_in(&with, p,
					 p->text.at + p->at[i].start,
					 p->at[i].end - p->at[i].start);
	}
	text_release(&space);
	pieces_step(p, 1);
	return err;
}

static int suffix_init(struct step *s, json_t *spec)
{
	return get(&s->a, spec, "suffix", "</w>");
}

static int suffix(const struct step *s, struct pieces *p)
{
	char space[] = " ";
	struct step with = *s;

	for (size_t i = 0; i < p->n; i++) {
		with.b = (struct text){ .at = space, .n = i + 1 < p->n };
		TRY(replace_in(&with, p, p->text.at + p->at[i].start,
			       p->at[i].end - p->at[i].start));
	}
	pieces_step(p, 1);
	return 0;
}

/* clang-format off */
static const struct step_kind kinds[] = {
	{ "ByteLevel",    NULL,           .decode = bytelevel },
	{ "Replace",      replace_init,   .decode = replace },
	{ "ByteFallback", NULL,           .decode = fallback },
	{ "Fuse",         NULL,           .decode = fuse },
	{ "Strip",        strip_init,     .decode = strip },
	{ "Metaspace",    metaspace_init, .decode = metaspace },
	{ "BPEDecoder",   suffix_init,    .decode = suffix },
	{ NULL }
};
/* clang-format on */

const struct step_family step_decoders = { "decoder", "decoders", kinds };
