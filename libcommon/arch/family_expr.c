/*
 * An expression is alternatives, the first of which that is there counts:
 *
 *     expr  = alt { "|" alt }
 *     alt   = term { "+" term }
 *     term  = atom { ("*" | "/") atom }
 *     atom  = number | "text" | none | word | sqrt(word) | rsqrt(word) |
 *            not(word)
 *
 * and, for the numbers of a layer, word[i] and every(word): 1 in every n-th
 * layer, else 0.
 */
#include "arch/family_text.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WORD = 128 };

struct scan {
	const char *at;
	char word[WORD];        /* of the last word or text */
};

static int is_word(int c)
{
	return isalnum(c) || (c && strchr("_.-[]", c));
}

static void blanks(struct scan *s)
{
	while (*s->at == ' ' || *s->at == '\t')
		s->at++;
}

/* 1: there is none, or it is too long. */
static int scan_word(struct scan *s)
{
	size_t n = 0;

	blanks(s);
	while (is_word((unsigned char)s->at[n]))
		n++;
	if (!n || n >= WORD)
		return 1;
	memcpy(s->word, s->at, n);
	s->word[n] = 0;
	s->at += n;
	return 0;
}

static int scan_text(struct scan *s)
{
	size_t n = strcspn(++s->at, "\"");

	if (s->at[n] != '"' || n >= FAMILY_NAME)
		return 1;
	memcpy(s->word, s->at, n);
	s->word[n] = 0;
	s->at += n + 1;
	return 0;
}

enum atom { ATOM_BAD, ATOM_NUMBER, ATOM_TEXT, ATOM_NONE, ATOM_WORD,
	    ATOM_SQRT, ATOM_RSQRT, ATOM_NOT, ATOM_EVERY };

/* Words with brackets are "word[i]". */
static enum atom brackets(const struct scan *s)
{
	const char *at = strpbrk(s->word, "[]");

	return !at || (at > s->word && !strcmp(at, "[i]")) ? ATOM_WORD
							   : ATOM_BAD;
}

static enum atom scan_atom(struct scan *s)
{
	enum atom a;

	blanks(s);
	if (*s->at == '"')
		return scan_text(s) ? ATOM_BAD : ATOM_TEXT;
	if (scan_word(s))
		return ATOM_BAD;
	if (isdigit((unsigned char)s->word[0]) || s->word[0] == '-') {
		char *end;

		strtod(s->word, &end);
		return *end ? ATOM_BAD : ATOM_NUMBER;
	}
	if (!strcmp(s->word, "none"))
		return ATOM_NONE;
	if (*s->at != '(')
		return brackets(s);
	a = !strcmp(s->word, "sqrt") ? ATOM_SQRT :
	    !strcmp(s->word, "rsqrt") ? ATOM_RSQRT :
	    !strcmp(s->word, "not") ? ATOM_NOT :
	    !strcmp(s->word, "every") ? ATOM_EVERY : ATOM_BAD;
	s->at++;
	if (a == ATOM_BAD || scan_word(s) || brackets(s) == ATOM_BAD)
		return ATOM_BAD;
	blanks(s);
	return *s->at++ == ')' ? a : ATOM_BAD;
}

/* v: n; is the layer the last of n? */
static int every(struct family_value *v, const struct scan *s,
		 family_lookup_fn *lookup, void *ctx)
{
	struct family_value i;

	if (v->kind == FAMILY_NONE)
		return 0;
	if (v->kind != FAMILY_NUMBER || !(v->number >= 1))
		return err_set(E_DATA, "%s is no number of layers", s->word);
	TRY(lookup(ctx, "i", &i));
	v->number = fmod(i.number + 1, floor(v->number)) == 0;
	return 0;
}

static int atom_value(struct family_value *v, const struct scan *s,
		      enum atom a, family_lookup_fn *lookup, void *ctx)
{
	*v = (struct family_value){ 0 };
	if (a == ATOM_NONE)
		return 0;
	if (a == ATOM_NUMBER) {
		v->kind = FAMILY_NUMBER;
		v->number = strtod(s->word, NULL);
		return 0;
	}
	if (a == ATOM_TEXT) {
		v->kind = FAMILY_TEXT;
		memcpy(v->text, s->word, strlen(s->word));
		return 0;
	}
	if (isdigit((unsigned char)s->word[0]))
		*v = (struct family_value){ .kind = FAMILY_NUMBER,
			.number = strtod(s->word, NULL) };
	else
		TRY(lookup(ctx, s->word, v));
	if (a == ATOM_EVERY)
		return every(v, s, lookup, ctx);
	if (a == ATOM_WORD || v->kind == FAMILY_NONE)
		return 0;
	if (a == ATOM_NOT) {
		*v = (struct family_value){ .kind = FAMILY_NUMBER,
			.number = v->kind == FAMILY_NUMBER && v->number == 0 };
		return 0;
	}
	if (v->kind != FAMILY_NUMBER || v->number <= 0)
		return err_set(E_DATA, "%s has no square root", s->word);
	v->number = sqrt(v->number);
	if (a == ATOM_RSQRT)
		v->number = 1 / v->number;
	return 0;
}

static int combine(struct family_value *v, const struct family_value *b,
		   char op, const char *word)
{
	if (v->kind == FAMILY_NONE || b->kind == FAMILY_NONE) {
		v->kind = FAMILY_NONE;
		return 0;
	}
	if (v->kind != FAMILY_NUMBER || b->kind != FAMILY_NUMBER)
		return err_set(E_DATA, "%s is not a number", word);
	if (op == '/' && b->number == 0)
		return err_set(E_DATA, "%s is 0", word);
	v->number = op == '*' ? v->number * b->number :
		    op == '/' ? v->number / b->number : v->number + b->number;
	return 0;
}

/* Each leaves s->at behind what it read. */
static int eval_term(struct family_value *v, struct scan *s,
		     family_lookup_fn *lookup, void *ctx)
{
	char op;

	TRY(atom_value(v, s, scan_atom(s), lookup, ctx));
	for (;;) {
		struct family_value b;

		blanks(s);
		op = *s->at;
		if (op != '*' && op != '/')
			return 0;
		s->at++;
		TRY(atom_value(&b, s, scan_atom(s), lookup, ctx));
		TRY(combine(v, &b, op, s->word));
	}
}

static int eval_alt(struct family_value *v, struct scan *s,
		    family_lookup_fn *lookup, void *ctx)
{
	TRY(eval_term(v, s, lookup, ctx));
	while (*s->at == '+') {
		struct family_value b;

		s->at++;
		TRY(eval_term(&b, s, lookup, ctx));
		TRY(combine(v, &b, '+', s->word));
	}
	return 0;
}

int family_expr_eval(struct family_value *v, const char *expr,
		     family_lookup_fn *lookup, void *ctx)
{
	struct scan s = { .at = expr };

	for (;; s.at++) {
		TRY(eval_alt(v, &s, lookup, ctx));
		if (v->kind != FAMILY_NONE || *s.at != '|')
			return 0;
	}
}

int family_expr_check(const char *expr, int layer)
{
	struct scan s = { .at = expr };

	for (;; s.at++) {
		enum atom a = scan_atom(&s);

		if (a == ATOM_BAD)
			return 1;
		if (!layer && (a == ATOM_EVERY ||
			       (a >= ATOM_WORD && strchr(s.word, '['))))
			return 1;
		blanks(&s);
		if (!*s.at)
			return 0;
		if (!strchr("|*/+", *s.at))
			return 1;
	}
}

int family_expr_names(const char *expr, const char *word)
{
	struct scan s = { .at = expr };

	for (;; s.at++) {
		enum atom a = scan_atom(&s);

		if (a >= ATOM_WORD) {
			s.word[strcspn(s.word, "[")] = 0;
			if (!strcmp(s.word, word))
				return 1;
		}
		blanks(&s);
		if (!*s.at)
			return 0;
	}
}
