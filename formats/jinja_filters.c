/* Filters of one value. */
#include "formats/jinja_parts.h"

#include "formats/unicode.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static int do_default(struct jcall *c, struct jval *out)
{
	int any = c->has[1] && jinja_true(&c->arg[1]);

	*out = c->self;
	if (c->self.kind == J_UNDEFINED || (any && !jinja_true(&c->self)))
		*out = c->has[0] ? c->arg[0] : jinja_text("", 0);
	return 0;
}

static int do_string(struct jcall *c, struct jval *out)
{
	return jinja_str(c->r, &c->self, out);
}

static int do_safe(struct jcall *c, struct jval *out)
{
	TRY(jinja_str(c->r, &c->self, out));
	out->safe = 1;
	return 0;
}

static int do_escape(struct jcall *c, struct jval *out)
{
	return jinja_escape(c->r, &c->self, out);
}

static int do_length(struct jcall *c, struct jval *out)
{
	size_t n = 0;

	TRY(jinja_length(c->r, &c->self, &n));
	*out = jinja_int((int64_t)n);
	return 0;
}

static int do_trim(struct jcall *c, struct jval *out)
{
	const struct jval *set = c->has[0] && c->arg[0].kind != J_NONE ?
				 &c->arg[0] : NULL;
	struct jval s;

	if (set && set->kind != J_TEXT)
		return jrun_fail(c->r, "trim wants a text");
	TRY(jinja_str(c->r, &c->self, &s));
	*out = jinja_strip(s, set, 1, 1);
	return jrun_step(c->r, (s.n - out->n) * (set ? set->n + 1 : 1));
}

static int do_replace(struct jcall *c, struct jval *out)
{
	struct jval s, from, to;
	int64_t most;

	TRY(jinja_str(c->r, &c->self, &s));
	TRY(jinja_str(c->r, &c->arg[0], &from));
	TRY(jinja_str(c->r, &c->arg[1], &to));
	TRY(jinja_whole(c, 2, -1, &most));
	return jinja_replace(c->r, s, from, to, most, out);
}

static int begins_word(uint32_t c)
{
	return c == '-' || c == '(' || c == '{' || c == '[' || c == '<' ||
	       jinja_is_space(c);
}

/* Not str.title(): words are what stands between blanks and -({[<. */
static int do_title(struct jcall *c, struct jval *out)
{
	struct jtext t = { 0 };
	struct jval s;
	uint32_t one;

	TRY(jinja_str(c->r, &c->self, &s));
	TRY(jrun_step(c->r, s.n / 8));
	for (size_t i = 0, k, end; i < s.n; i = end) {
		k = unicode_get(s.text + i, s.n - i, &one);
		TRY(jinja_upper(c->r->h, &t, s.text + i, k));
		end = i + k;
		if (begins_word(one))
			continue;
		while (end < s.n && (k = unicode_get(s.text + end, s.n - end,
						     &one), !begins_word(one)))
			end += k;
		k = unicode_get(s.text + i, s.n - i, &one);
		TRY(jinja_lower(c->r->h, &t, s.text + i + k, end - i - k));
	}
	*out = jinja_taken(&t);
	return 0;
}

static int add_blanks(struct jcall *c, struct jtext *t, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		TRY(jtext_add(c->r->h, t, " ", 1));
	return 0;
}

static int do_indent(struct jcall *c, struct jval *out)
{
	int first = c->has[1] && jinja_true(&c->arg[1]);
	int blank = c->has[2] && jinja_true(&c->arg[2]);
	struct jval lines, by, s, newline = jinja_string("\n");
	struct jtext margin = { 0 }, t = { 0 };
	int64_t width;

	if (c->has[0] && c->arg[0].kind == J_TEXT) {
		by = c->arg[0];
	} else {
		TRY(jinja_whole(c, 0, 4, &width));
		TRY(add_blanks(c, &margin, width));
		by = jinja_taken(&margin);
	}
	TRY(jinja_add(c->r, &c->self, &newline, &s));
	TRY(jinja_lines(c->r, &s, 0, &lines));
	for (size_t i = 0; i < lines.list->n; i++) {
		const struct jval *line = &lines.list->at[i];

		if (i)
			TRY(jtext_adds(c->r->h, &t, "\n"));
		if (i ? blank || line->n : first)
			TRY(jtext_add(c->r->h, &t, by.text, by.n));
		TRY(jtext_add(c->r->h, &t, line->text, line->n));
	}
	*out = jinja_taken(&t);
	return 0;
}

static int do_format(struct jcall *c, struct jval *out)
{
	struct jval s, args = { .kind = J_TUPLE };

	TRY(jinja_str(c->r, &c->self, &s));
	if (c->named->n)
		return jrun_fail(c->r, "format with named arguments is not "
				 "supported");
	TRY(jinja_list(c->r, J_TUPLE, 0, &args));
	for (size_t i = 0; i < c->args->n; i++)
		TRY(jinja_append(c->r, &args, &c->args->at[i]));
	return jinja_format(c->r, &s, &args, out);
}

/* ---- numbers ---- */

/* A text as Python's float() reads it. */
static int read_real(const struct jval *text, double *x)
{
	struct jval s = jinja_strip(*text, NULL, 1, 1);
	char copy[400], *end;
	size_t n = 0;

	for (size_t i = 0; i < s.n && n < sizeof(copy) - 1; i++)
		if (s.text[i] != '_' || !i || s.text[i - 1] == '_')
			copy[n++] = s.text[i];
	copy[n] = 0;
	if (!n || s.n >= sizeof(copy) - 1 || memchr(copy, 0, n) ||
	    strpbrk(copy, "xXpP(_ "))
		return 0;
	*x = strtod(copy, &end);
	return !*end;
}

/* A text as Python's int() reads it, to base 10. */
static int read_whole(const struct jval *text, int64_t *out)
{
	struct jval s = jinja_strip(*text, NULL, 1, 1);
	size_t i = s.n && (*s.text == '-' || *s.text == '+');
	int64_t value = 0;

	if (i == s.n || s.n > 18)
		return 0;
	for (; i < s.n; i++) {
		if (s.text[i] < '0' || s.text[i] > '9')
			return 0;
		value = value * 10 + (s.text[i] - '0');
	}
	*out = *s.text == '-' ? -value : value;
	return 1;
}

static int do_int(struct jcall *c, struct jval *out)
{
	int64_t base, i;
	double x = 0;

	TRY(jinja_whole(c, 1, 10, &base));
	if (base != 10)
		return jrun_fail(c->r, "int to base %lld is not supported",
				 (long long)base);
	*out = c->has[0] ? c->arg[0] : jinja_int(0);
	if (c->self.kind == J_UNDEFINED)
		return jrun_fail(c->r, "'%.*s' is undefined", (int)c->self.n,
				 c->self.text ? c->self.text : "");
	if (c->self.kind == J_INT || c->self.kind == J_BOOL) {
		*out = jinja_int(c->self.i);
		return 0;
	}
	if (c->self.kind == J_TEXT && read_whole(&c->self, &i)) {
		*out = jinja_int(i);
		return 0;
	}
	if (c->self.kind == J_REAL)
		x = c->self.x;
	else if (c->self.kind != J_TEXT || !read_real(&c->self, &x))
		return 0;
	if (isnan(x) || (isinf(x) && c->self.kind == J_TEXT))
		return 0;
	if (x >= 9.2e18 || x <= -9.2e18)
		return jrun_fail(c->r, "a number is too large");
	*out = jinja_int((int64_t)x);
	return 0;
}

static int do_float(struct jcall *c, struct jval *out)
{
	double x = 0;

	*out = c->has[0] ? c->arg[0] : jinja_real(0);
	if (c->self.kind == J_UNDEFINED)
		return jrun_fail(c->r, "'%.*s' is undefined", (int)c->self.n,
				 c->self.text ? c->self.text : "");
	if (c->self.kind == J_REAL)
		*out = c->self;
	else if (c->self.kind == J_INT || c->self.kind == J_BOOL)
		*out = jinja_real((double)c->self.i);
	else if (c->self.kind == J_TEXT && read_real(&c->self, &x))
		*out = jinja_real(x);
	return 0;
}

static int do_abs(struct jcall *c, struct jval *out)
{
	*out = c->self;
	if (!jinja_is_number(&c->self))
		return jrun_fail(c->r, "abs of '%s'", jinja_kind(&c->self));
	if (c->self.kind == J_REAL)
		*out = jinja_real(fabs(c->self.x));
	else if (c->self.i == INT64_MIN)
		return jrun_fail(c->r, "a number is too large");
	else
		*out = jinja_int(c->self.i < 0 ? -c->self.i : c->self.i);
	return 0;
}

static int round_to(struct jcall *c, double x, int64_t digits,
		    struct jval *out)
{
	char text[400];

	if (c->self.kind != J_REAL) {
		*out = jinja_int(c->self.i);
		return 0;
	}
	/* To the nearest decimal, half to even: as printf does. */
	snprintf(text, sizeof(text), "%.*f", (int)digits, x);
	*out = isfinite(x) ? jinja_real(strtod(text, NULL)) : c->self;
	return 0;
}

static int do_round(struct jcall *c, struct jval *out)
{
	struct jval how = c->has[1] ? c->arg[1] : jinja_string("common");
	double x, unit = 1;
	int64_t digits;

	TRY(jinja_whole(c, 0, 0, &digits));
	if (!jinja_is_number(&c->self))
		return jrun_fail(c->r, "round of '%s'", jinja_kind(&c->self));
	if (digits < 0 || digits > 20)
		return jrun_fail(c->r, "round to %lld digits is not supported",
				 (long long)digits);
	x = c->self.kind == J_REAL ? c->self.x : (double)c->self.i;
	if (jinja_is(&how, "common"))
		return round_to(c, x, digits, out);
	while (digits--)
		unit *= 10;
	if (jinja_is(&how, "floor"))
		*out = jinja_real(floor(x * unit) / unit);
	else if (jinja_is(&how, "ceil"))
		*out = jinja_real(-floor(-(x * unit)) / unit);
	else
		return jrun_fail(c->r, "method must be common, ceil or floor");
	return 0;
}

/* clang-format off */
const struct jrow jinja_text_filters[] = {
	{ "abs", do_abs, "" },
	{ "capitalize", jinja_do_capitalize, "" },
	{ "center", jinja_do_center, "width?" },
	{ "count", do_length, "" },
	{ "d", do_default, "default_value? boolean?" },
	{ "default", do_default, "default_value? boolean?" },
	{ "e", do_escape, "" },
	{ "escape", do_escape, "" },
	{ "float", do_float, "default?" },
	{ "format", do_format, "*" },
	{ "indent", do_indent, "width? first? blank?" },
	{ "int", do_int, "default? base?" },
	{ "length", do_length, "" },
	{ "lower", jinja_do_lower, "" },
	{ "replace", do_replace, "old new count?" },
	{ "round", do_round, "precision? method?" },
	{ "safe", do_safe, "" },
	{ "string", do_string, "" },
	{ "title", do_title, "" },
	{ "tojson", jinja_tojson,
	  "ensure_ascii? indent? separators? sort_keys?" },
	{ "trim", do_trim, "chars?" },
	{ "upper", jinja_do_upper, "" },
	{ NULL }
};
/* clang-format on */
