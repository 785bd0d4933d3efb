/* Pre-tokenizers: text into the pieces that a model sees one by one. */
#include "formats/tokenizer_parts.h"
#include "formats/unicode.h"

#include <string.h>

/* What becomes of a match, and of what stands between matches. */
enum behavior { REMOVED, ISOLATED, WITH_PREVIOUS, WITH_NEXT, CONTIGUOUS };

static const char *const behaviors[] = { "Removed", "Isolated",
	"MergedWithPrevious", "MergedWithNext", "Contiguous", NULL };

static int behavior_init(struct step *s, json_t *spec, enum behavior none)
{
	const char *name = json_text(spec, "behavior", behaviors[none]);

	for (s->mode = 0; behaviors[s->mode]; s->mode++)
		if (!strcmp(behaviors[s->mode], name))
			return 0;
	return err_set(E_DATA, "behavior '%s' is not known", name);
}

/* Takes the parts of one piece in order and puts them together. */
struct joiner {
	struct pieces *p;
	enum behavior how;
	size_t first;           /* p->nnext at the piece's beginning */
	int last;               /* was the last part a match? */
	struct span held;       /* WITH_NEXT: a match that waits */
};

static int part(struct joiner *j, size_t start, size_t end, int match)
{
	struct pieces *p = j->p;
	int last = j->last, any = p->nnext > j->first;

	j->last = match;
	switch (j->how) {
	case REMOVED:
		return match ? 0 : pieces_next(p, start, end);
	case WITH_PREVIOUS:
		if (any && match && !last)
			goto grow;
		break;
	case CONTIGUOUS:
		if (any && match == last)
			goto grow;
		break;
	case WITH_NEXT:
		if (last && match)
			TRY(pieces_next(p, j->held.start, j->held.end));
		if (last && !match)
			start = j->held.start;
		j->held = (struct span){ start, end };
		if (match)
			return 0;
		break;
	case ISOLATED:
		break;
	}
	return pieces_next(p, start, end);
grow:
	p->next[p->nnext - 1].end = end;
	return 0;
}

static int part_end(struct joiner *j)
{
	return j->how == WITH_NEXT && j->last ?
	       pieces_next(j->p, j->held.start, j->held.end) : 0;
}

/* Cuts all pieces at the matches of s, or (invert) between them. */
static int cut_matches(const struct step *s, struct pieces *p,
		       enum behavior how, int invert)
{
	for (size_t i = 0; i < p->n; i++) {
		const char *text = p->text.at + p->at[i].start;
		size_t base = p->at[i].start, done = 0;
		size_t size = p->at[i].end - base;
		struct joiner j = { p, how, p->nnext };
		struct walk w = { 0 };
		struct span at;
		int found;

		for (; size; done = at.end) {
			TRY(step_match(s, text, size, &w, &found, &at));
			if (!found)
				break;
			if (done != at.start)
				TRY(part(&j, base + done, base + at.start,
					 invert));
			TRY(part(&j, base + at.start, base + at.end, !invert));
		}
		if (done != size)
			TRY(part(&j, base + done, base + size, invert));
		TRY(part_end(&j));
	}
	pieces_step(p, 0);
	return 0;
}

static int split_init(struct step *s, json_t *spec)
{
	s->flag = json_flag(spec, "invert", 0);
	TRY(behavior_init(s, spec, ISOLATED));
	return step_pattern(s, spec, "pattern");
}

static int split(const struct step *s, struct pieces *p)
{
	return cut_matches(s, p, (enum behavior)s->mode, s->flag);
}

/* Cuts all pieces at characters of a class. */
static int cut_class(struct pieces *p, enum behavior how,
		     int (*is)(uint32_t c))
{
	for (size_t i = 0; i < p->n; i++) {
		struct joiner j = { p, how, p->nnext };
		size_t done = p->at[i].start, end = p->at[i].end, n;
		uint32_t c;

		for (size_t k = done; k < end; k += n) {
			n = unicode_get(p->text.at + k, end - k, &c);
			if (!is(c))
				continue;
			if (done < k)
				TRY(part(&j, done, k, 0));
			TRY(part(&j, k, k + n, 1));
			done = k + n;
		}
		if (done < end)
			TRY(part(&j, done, end, 0));
		TRY(part_end(&j));
	}
	pieces_step(p, 0);
	return 0;
}

static int digits_init(struct step *s, json_t *spec)
{
	s->flag = json_flag(spec, "individual_digits", 0);
	return 0;
}

static int digits(const struct step *s, struct pieces *p)
{
	return cut_class(p, s->flag ? ISOLATED : CONTIGUOUS,
			 unicode_is_number);
}

static int punctuation_init(struct step *s, json_t *spec)
{
	return behavior_init(s, spec, ISOLATED);
}

static int punctuation(const struct step *s, struct pieces *p)
{
	return cut_class(p, (enum behavior)s->mode, unicode9_is_punctuation);
}

static int whitespace_split(const struct step *s, struct pieces *p)
{
	(void)s;
	return cut_class(p, REMOVED, unicode_is_space);
}

static int bert(const struct step *s, struct pieces *p)
{
	(void)s;
	TRY(cut_class(p, REMOVED, unicode_is_space));
	return cut_class(p, ISOLATED, unicode9_is_punctuation);
}

static int whitespace_init(struct step *s, json_t *spec)
{
	static const char words[] = "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"
		"\\x{200c}\\x{200d}]+|[^\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"
		"\\x{200c}\\x{200d}\\p{White_Space}]+";

	(void)spec;
	return regex_new(&s->re, words, sizeof(words) - 1, E_BUG);
}

static int whitespace(const struct step *s, struct pieces *p)
{
	return cut_matches(s, p, REMOVED, 1);
}

static int delimiter_init(struct step *s, json_t *spec)
{
	json_t *c = json_object_get(spec, "delimiter");

	if (!json_string_length(c))
		return err_set(E_DATA, "no delimiter");
	return text_add(&s->a, json_string_value(c), json_string_length(c));
}

static int delimiter(const struct step *s, struct pieces *p)
{
	return cut_matches(s, p, REMOVED, 0);
}

/* GPT-2's pattern; the classes that PCRE2 has otherwise are spelled out. */
static const char gpt2[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+"
	"| ?[^\\p{White_Space}\\p{L}\\p{N}]+"
	"|\\p{White_Space}+(?!\\P{White_Space})|\\p{White_Space}+";

static int bytelevel_init(struct step *s, json_t *spec)
{
	s->flag = json_flag(spec, "add_prefix_space", 1);
	return json_flag(spec, "use_regex", 1) ?
	       regex_new(&s->re, gpt2, sizeof(gpt2) - 1, E_BUG) : 0;
}

/* Puts before every piece that does not begin with it, if `where` says so. */
static int add_prefix(struct pieces *p, const char *before, size_t n,
		      int first_only)
{
	for (size_t i = 0; i < p->n; i++) {
		const char *text = p->text.at + p->at[i].start;
		size_t size = p->at[i].end - p->at[i].start;
		size_t start = p->text_next.n;
		int here = !first_only || (p->first && !p->at[i].start);

		if (!size)
			continue;
		if (here && (size < n || memcmp(text, before, n)))
			TRY(text_add(&p->text_next, before, n));
		TRY(text_add(&p->text_next, text, size));
		TRY(pieces_next(p, start, p->text_next.n));
	}
	pieces_step(p, 1);
	return 0;
}

/* Every byte becomes the character that stands for it. */
static int to_alphabet(struct pieces *p)
{
	for (size_t i = 0; i < p->n; i++) {
		const char *text = p->text.at + p->at[i].start;
		size_t size = p->at[i].end - p->at[i].start;
		size_t start = p->text_next.n, n = start;

		TRY(text_room(&p->text_next, 2 * size));
		for (size_t k = 0; k < size; k++)
			n += byte_to_char((unsigned char)text[k],
					  p->text_next.at + n);
		p->text_next.n = n;
		TRY(pieces_next(p, start, n));
	}
	pieces_step(p, 1);
	return 0;
}

static int bytelevel(const struct step *s, struct pieces *p)
{
	if (s->flag)
		TRY(add_prefix(p, " ", 1, 0));
	if (s->re)
		TRY(cut_matches(s, p, ISOLATED, 0));
	return to_alphabet(p);
}

enum scheme { ALWAYS, FIRST, NEVER };

static int metaspace_init(struct step *s, json_t *spec)
{
	const char *with = json_text(spec, "replacement", "\xe2\x96\x81");
	const char *scheme = json_text(spec, "prepend_scheme", NULL);
	uint32_t c;

	if (!scheme)
		scheme = json_flag(spec, "add_prefix_space", 1) ? "always" :
								  "never";
	s->mode = !strcmp(scheme, "always") ? ALWAYS :
		  !strcmp(scheme, "first") ? FIRST : NEVER;
	if (s->mode == NEVER && strcmp(scheme, "never"))
		return err_set(E_DATA, "prepend_scheme '%s' is not known",
			       scheme);
	if (!*with || unicode_get(with, strlen(with), &c) != strlen(with))
		return err_set(E_DATA, "replacement is not one character");
	s->flag = json_flag(spec, "split", 1);
	return text_add_string(&s->a, with);
}

static int metaspace(const struct step *s, struct pieces *p)
{
	for (size_t i = 0; i < p->n; i++) {
		size_t start = p->text_next.n;

		for (size_t k = p->at[i].start; k < p->at[i].end; k++)
			if (p->text.at[k] == ' ')
				TRY(text_add(&p->text_next, s->a.at, s->a.n));
			else
				TRY(text_add(&p->text_next, p->text.at + k,
					     1));
		TRY(pieces_next(p, start, p->text_next.n));
	}
	pieces_step(p, 1);
	if (s->mode != NEVER)
		TRY(add_prefix(p, s->a.at, s->a.n, s->mode == FIRST));
	return s->flag ? cut_matches(s, p, WITH_NEXT, 0) : 0;
}

/* clang-format off */
static const struct step_kind kinds[] = {
	{ "ByteLevel",          bytelevel_init,   .cut = bytelevel },
	{ "Split",              split_init,       .cut = split },
	{ "Digits",             digits_init,      .cut = digits },
	{ "Metaspace",          metaspace_init,   .cut = metaspace },
	{ "Whitespace",         whitespace_init,  .cut = whitespace },
	{ "WhitespaceSplit",    NULL,             .cut = whitespace_split },
	{ "Punctuation",        punctuation_init, .cut = punctuation },
	{ "BertPreTokenizer",   NULL,             .cut = bert },
	{ "CharDelimiterSplit", delimiter_init,   .cut = delimiter },
	{ NULL }
};
/* clang-format on */

const struct step_family step_pretokenizers = { "pre_tokenizer",
						"pretokenizers", kinds };
