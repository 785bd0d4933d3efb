/*
 * A template's tokens, by the rules of jinja2's lexer with trim_blocks and
 * lstrip_blocks: a newline behind a block goes, and so do blanks before one
 * that begins a line; {%- and -%} take all blanks, {%+ and +%} none.
 */
#include "formats/jinja_parts.h"

#include "formats/unicode.h"

#include <stdlib.h>

enum { BRACKETS = 256 };

struct lexer {
	struct jheap *h;
	struct jtokens *out;
	const char *s;
	size_t n, at;
	unsigned line;
	int line_starts;        /* what stands before began a line */
};

static int add(struct lexer *x, enum jtoken_kind kind, const char *text,
	       size_t n)
{
	struct jtokens *o = x->out;

	TRY(jheap_grow(x->h, &o->at, o->n + 1, &o->room, sizeof(*o->at)));
	o->at[o->n++] = (struct jtoken){ .kind = kind, .line = x->line,
					 .text = text, .n = n };
	return 0;
}

static void forward(struct lexer *x, size_t to)
{
	for (; x->at < to; x->at++)
		x->line += x->s[x->at] == '\n';
}

static size_t blanks(const struct lexer *x, size_t at)
{
	uint32_t c;
	size_t k, i = at;

	while (i < x->n && (k = unicode_get(x->s + i, x->n - i, &c),
			    jinja_is_space(c)))
		i += k;
	return i - at;
}

static int is_at(const struct lexer *x, size_t at, const char *what)
{
	size_t n = strlen(what);

	return x->n - at >= n && !memcmp(x->s + at, what, n);
}

/* Where a tag that ends with end does so at at, what is behind it; else 0.
 * sign and trim: + is one, a newline goes. */
static size_t end_of_tag(const struct lexer *x, size_t at, const char *end,
			 int trim)
{
	if (is_at(x, at, end)) {
		at += 2;
		return at + (trim && at < x->n && x->s[at] == '\n');
	}
	if (at == x->n || !is_at(x, at + 1, end))
		return 0;
	if (x->s[at] == '-')
		return at + 3 + blanks(x, at + 3);
	return trim && x->s[at] == '+' ? at + 3 : 0;
}

/* {% word %}, perhaps with signs: what is behind it, or 0. */
static size_t word_tag(const struct lexer *x, size_t at, const char *word,
		       int trim)
{
	size_t end;

	at += 2;
	if (at < x->n && (x->s[at] == '-' || x->s[at] == '+'))
		at++;
	at += blanks(x, at);
	if (!is_at(x, at, word))
		return 0;
	at += strlen(word);
	at += blanks(x, at);
	end = end_of_tag(x, at, "%}", trim);
	return end;
}

/* Text before the tag at end, with what lstrip_blocks leaves of it. */
static int add_data(struct lexer *x, size_t end, int print)
{
	const char *text = x->s + x->at;
	size_t n = end - x->at, from = n;
	char sign = end + 2 < x->n ? x->s[end + 2] : 0;

	if (sign == '-') {
		n = jinja_strip(jinja_text(text, n), NULL, 0, 1).n;
	} else if (sign != '+' && !print) {
		while (from && text[from - 1] != '\n')
			from--;
		if ((from || x->line_starts) &&
		    !jinja_strip(jinja_text(text + from, n - from), NULL, 1,
				 0).n)
			n = from;
	}
	if (n)
		TRY(add(x, JT_DATA, text, n));
	forward(x, end);
	return 0;
}

static void behind(struct lexer *x, size_t to)
{
	forward(x, to);
	x->line_starts = x->s[to - 1] == '\n';
}

static int lex_comment(struct lexer *x)
{
	size_t end, at = x->at + 2;

	if (at < x->n && (x->s[at] == '-' || x->s[at] == '+'))
		at++;
	for (; at < x->n; at++) {
		end = end_of_tag(x, at, "#}", 1);
		if (end) {
			behind(x, end);
			return 0;
		}
	}
	return jinja_fail(x->line, "a comment does not end");
}

/* Up to {% endraw %}. */
static int lex_raw(struct lexer *x, size_t from)
{
	behind(x, from);
	for (size_t at = from; at < x->n; at++) {
		size_t end = is_at(x, at, "{%") ?
			     word_tag(x, at, "endraw", 1) : 0;

		if (end) {
			TRY(add_data(x, at, 0));
			behind(x, end);
			return 0;
		}
	}
	return jinja_fail(x->line, "'raw' does not end");
}

static int is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '_' || (c & 0x80);
}

static int is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int lex_string(struct lexer *x)
{
	size_t i = x->at + 1;
	struct jtoken *t;

	while (i < x->n && x->s[i] != x->s[x->at])
		i += 1 + (x->s[i] == '\\');
	if (i >= x->n)
		return jinja_fail(x->line, "a string does not end");
	TRY(add(x, JT_TEXT, x->s + x->at + 1, i - x->at - 1));
	t = &x->out->at[x->out->n - 1];
	if (memchr(t->text, '\\', t->n))
		TRY(jinja_unescape(x->h, t));
	forward(x, i + 1);
	return 0;
}

/* Digits with single underscores between them. */
static size_t digits(const struct lexer *x, size_t i)
{
	while (i < x->n && (is_digit(x->s[i]) ||
			    (x->s[i] == '_' && i + 1 < x->n &&
			     is_digit(x->s[i + 1]) && is_digit(x->s[i - 1]))))
		i++;
	return i;
}

static size_t real_end(const struct lexer *x, size_t i)
{
	size_t whole = i, e;

	if (x->at && x->s[x->at - 1] == '.')
		return whole;
	if (i + 1 < x->n && x->s[i] == '.' && is_digit(x->s[i + 1]))
		i = digits(x, i + 1);
	if (i < x->n && (x->s[i] == 'e' || x->s[i] == 'E')) {
		e = i + 1;
		e += e < x->n && (x->s[e] == '+' || x->s[e] == '-');
		if (e < x->n && is_digit(x->s[e]))
			i = digits(x, e);
	}
	return i;
}

static int lex_number(struct lexer *x)
{
	size_t i = x->at, whole, k = 0;
	char text[64], *end;
	struct jtoken *t;
	long long v;
	int based = x->s[i] == '0' && i + 1 < x->n &&
		    memchr("xXoObB", x->s[i + 1], 6);

	if (based)
		for (i += 2; i < x->n && is_word(x->s[i]);)
			i++;
	whole = based ? i : digits(x, i);
	i = based ? i : real_end(x, whole);
	for (size_t c = x->at; c < i && k < sizeof(text) - 1; c++)
		if (x->s[c] != '_')
			text[k++] = x->s[c];
	text[k] = 0;
	TRY(add(x, i > whole ? JT_REAL : JT_INT, x->s + x->at, i - x->at));
	t = &x->out->at[x->out->n - 1];
	t->x = strtod(text, NULL);
	v = !based ? strtoll(text, &end, 10) :
	    strtoll(text + 2, &end, text[1] == 'x' || text[1] == 'X' ? 16 :
		    text[1] == 'o' || text[1] == 'O' ? 8 : 2);
	t->i = v;
	if (i - x->at >= sizeof(text) || (t->kind == JT_INT &&
	    (*end || end == text + 2 * based || k > (based ? 17 : 18))))
		return jinja_fail(x->line, "'%.*s' is no number, or too large",
				  (int)(i - x->at), x->s + x->at);
	forward(x, i);
	return 0;
}

static int lex_operator(struct lexer *x, char *open, size_t *nopen)
{
	static const char *const two[] = { "//", "**", "==", "!=", ">=", "<=" };
	char c = x->s[x->at];
	size_t n = 1;

	for (size_t i = 0; i < sizeof(two) / sizeof(*two); i++)
		if (is_at(x, x->at, two[i]))
			n = 2;
	if (!c || (n == 1 && !strchr("+-/*%~[](){}><=.:|,;", c)))
		return jinja_fail(x->line, "unexpected character '%.*s'",
				  (int)unicode_get(x->s + x->at, x->n - x->at,
						   &(uint32_t){ 0 }),
				  x->s + x->at);
	if (strchr("([{", c)) {
		if (*nopen == BRACKETS)
			return jinja_fail(x->line, "brackets are nested too "
					  "deeply");
		open[(*nopen)++] = c == '(' ? ')' : (char)(c + 2);
	} else if (strchr(")]}", c) &&
		   (!*nopen || open[--*nopen] != c)) {
		return jinja_fail(x->line, "unexpected '%c'", c);
	}
	TRY(add(x, JT_OP, x->s + x->at, n));
	forward(x, x->at + n);
	return 0;
}

/* Up to the tag's end; x->at is behind its beginning. */
static int lex_tag(struct lexer *x, int print)
{
	char open[BRACKETS];
	size_t nopen = 0, end, i;

	for (;;) {
		end = nopen ? 0 : end_of_tag(x, x->at, print ? "}}" : "%}",
					     !print);
		if (end) {
			TRY(add(x, print ? JT_PRINT_END : JT_BLOCK_END, "",
				0));
			behind(x, end);
			return 0;
		}
		if (x->at == x->n)
			return jinja_fail(x->line, "a tag does not end");
		if (blanks(x, x->at)) {
			forward(x, x->at + blanks(x, x->at));
		} else if (is_digit(x->s[x->at])) {
			TRY(lex_number(x));
		} else if (is_word(x->s[x->at])) {
			for (i = x->at; i < x->n && is_word(x->s[i]);)
				i++;
			TRY(add(x, JT_NAME, x->s + x->at, i - x->at));
			forward(x, i);
		} else if (x->s[x->at] == '\'' || x->s[x->at] == '"') {
			TRY(lex_string(x));
		} else {
			TRY(lex_operator(x, open, &nopen));
		}
	}
}

static int lex_next(struct lexer *x)
{
	size_t at = x->at, raw;
	char kind;

	while (at < x->n && !(x->s[at] == '{' && at + 1 < x->n &&
			      strchr("{%#", x->s[at + 1]) && x->s[at + 1]))
		at++;
	if (at == x->n) {
		TRY(add(x, JT_DATA, x->s + x->at, at - x->at));
		forward(x, at);
		return 0;
	}
	kind = x->s[at + 1];
	raw = kind == '%' ? word_tag(x, at, "raw", 0) : 0;
	TRY(add_data(x, at, kind == '{'));
	if (raw)
		return lex_raw(x, raw);
	if (kind == '#')
		return lex_comment(x);
	at += 2;
	at += at < x->n && (x->s[at] == '-' || x->s[at] == '+');
	TRY(add(x, kind == '{' ? JT_PRINT : JT_BLOCK, "", 0));
	forward(x, at);
	return lex_tag(x, kind == '{');
}

int jinja_lex(struct jheap *h, const char *text, size_t size,
	      struct jtokens *out)
{
	struct lexer x = { .h = h, .out = out, .s = text, .n = size, .line = 1,
			   .line_starts = 1 };

	while (x.at < x.n)
		TRY(lex_next(&x));
	return add(&x, JT_END, "", 0);
}
