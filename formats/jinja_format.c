/* "%s: %5.2f" % (name, number), as Python's. */
#include "formats/jinja_parts.h"

#include "formats/unicode.h"

#include <stdio.h>
#include <stdlib.h>

enum { WIDTH = 1000 };

struct format {
	struct jrun *r;
	struct jtext t;
	const struct jval *args;
	size_t taken;
	int single;             /* not a tuple */
	char flags[8];
	int width, precision;   /* -1: none */
};

static int number(const char *s, size_t n, size_t *i, int *out)
{
	size_t from = *i;

	for (*out = 0; *i < n && s[*i] >= '0' && s[*i] <= '9'; ++*i)
		*out = *out < WIDTH ? *out * 10 + (s[*i] - '0') : *out;
	return *i != from;
}

/* Behind the percent sign; *i ends at the conversion's letter. */
static int read_spec(struct format *f, const char *s, size_t n, size_t *i)
{
	size_t flags = 0;

	f->precision = -1;
	for (; *i < n && s[*i] && strchr("-+ 0#", s[*i]); ++*i)
		if (!memchr(f->flags, s[*i], flags))
			f->flags[flags++] = s[*i];
	f->flags[flags] = 0;
	number(s, n, i, &f->width);
	if (*i < n && s[*i] == '.') {
		++*i;
		number(s, n, i, &f->precision);
	}
	if (*i == n)
		return jrun_fail(f->r, "incomplete format");
	if (s[*i] == '(' || s[*i] == '*')
		return jrun_fail(f->r, "'%%%c' is not supported", s[*i]);
	if (f->width > WIDTH || f->precision > WIDTH)
		return jrun_fail(f->r, "a format is too wide");
	return 0;
}

static int next_arg(struct format *f, struct jval *v)
{
	size_t n = f->single ? 1 : f->args->list->n;

	if (f->taken == n)
		return jrun_fail(f->r, "not enough arguments for format "
				 "string");
	*v = f->single ? *f->args : f->args->list->at[f->taken];
	f->taken++;
	return 0;
}

static int put_text(struct format *f, struct jval s)
{
	size_t chars = 0, bytes = 0;
	int left = strchr(f->flags, '-') != NULL;
	size_t most = f->precision < 0 ? s.n : (size_t)f->precision;
	uint32_t c;

	while (bytes < s.n && chars < most) {
		bytes += unicode_get(s.text + bytes, s.n - bytes, &c);
		chars++;
	}
	for (size_t i = chars; !left && i < (size_t)f->width; i++)
		TRY(jtext_add(f->r->h, &f->t, " ", 1));
	TRY(jtext_add(f->r->h, &f->t, s.text, bytes));
	for (size_t i = chars; left && i < (size_t)f->width; i++)
		TRY(jtext_add(f->r->h, &f->t, " ", 1));
	return jrun_step(f->r, s.n / 16);
}

/* Numbers are printf's. */
static int put_number(struct format *f, char letter, const struct jval *v)
{
	char spec[64], text[2 * WIDTH + 400];
	int real = strchr("eEfFgG", letter) != NULL;
	double x = v->kind == J_REAL ? v->x : (double)v->i;
	long long i = v->kind == J_REAL ? 0 : (long long)v->i;

	if (!jinja_is_number(v))
		return jrun_fail(f->r, "%%%c format: a number is required, not "
				 "%s", letter, jinja_kind(v));
	if (!real && v->kind == J_REAL) {
		if (!(x > -9.2e18 && x < 9.2e18) || !strchr("di", letter))
			return jrun_fail(f->r, "%%%c format: an integer is "
					 "required", letter);
		i = (long long)x;
	}
	if (!real && letter != 'd' && letter != 'i' && i < 0)
		return jrun_fail(f->r, "%%%c of a negative number is not "
				 "supported", letter);
	if (!real && strchr(f->flags, '#'))
		return jrun_fail(f->r, "'%%#' is not supported");
	snprintf(spec, sizeof(spec), "%%%s*.*%s%c", f->flags, real ? "" : "ll",
		 letter);
	if (real)
		snprintf(text, sizeof(text), spec, f->width, f->precision, x);
	else
		snprintf(text, sizeof(text), spec, f->width, f->precision, i);
	return jtext_adds(f->r->h, &f->t, text);
}

static int put(struct format *f, char letter)
{
	struct jtext t = { 0 };
	struct jval v, s;

	if (letter == '%')
		return jtext_add(f->r->h, &f->t, "%", 1);
	TRY(next_arg(f, &v));
	if (letter == 's') {
		TRY(jinja_str(f->r, &v, &s));
		return put_text(f, s);
	}
	if (letter == 'r') {
		TRY(jinja_repr(f->r, &t, &v));
		return put_text(f, jinja_taken(&t));
	}
	if (!letter || !strchr("dieEfFgGxXo", letter))
		return jrun_fail(f->r, "unsupported format character '%c'",
				 letter);
	return put_number(f, letter, &v);
}

int jinja_format(struct jrun *r, const struct jval *format,
		 const struct jval *args, struct jval *out)
{
	struct format f = { .r = r, .args = args,
			    .single = args->kind != J_TUPLE };
	const char *s = format->text;

	if (format->safe)
		return jrun_fail(r, "'%%' of what 'safe' gave is not "
				 "supported");
	for (size_t i = 0; i < format->n; i++) {
		const char *next = memchr(s + i, '%', format->n - i);
		size_t plain = next ? (size_t)(next - s) - i : format->n - i;

		TRY(jtext_add(r->h, &f.t, s + i, plain));
		i += plain;
		if (!next)
			break;
		i++;
		TRY(read_spec(&f, s, format->n, &i));
		TRY(put(&f, s[i]));
	}
	/* What has members need not be used. */
	if (f.single ? !f.taken && args->kind != J_DICT &&
	    args->kind != J_UNDEFINED && args->kind != J_LIST &&
	    args->kind != J_RANGE : f.taken < args->list->n)
		return jrun_fail(r, "not all arguments converted during string "
				 "formatting");
	*out = jinja_taken(&f.t);
	return 0;
}
