/* str() and repr() of values, as Python has them. */
#include "formats/jinja_parts.h"

#include "formats/unicode.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { NUMBER = 48, NEST = 100 };

/* The fewest digits that give x again. */
int jinja_print_real(struct jrun *r, struct jtext *t, double x)
{
	char text[NUMBER], *e;
	int digits = 0, exponent;

	if (isnan(x) || isinf(x))
		return jtext_adds(r->h, t, isnan(x) ? "nan" : x < 0 ? "-inf" :
				  "inf");
	do
		snprintf(text, NUMBER, "%.*e", digits, x);
	while (strtod(text, NULL) != x && ++digits < 17);
	e = strchr(text, 'e');
	exponent = atoi(e + 1);
	/* With a point where Python has one: from 1e-4 up to 1e16. */
	if (exponent < -4 || exponent >= 16)
		return jtext_adds(r->h, t, text);
	digits -= exponent;
	snprintf(text, NUMBER, "%.*f", digits > 1 ? digits : 1, x);
	return jtext_adds(r->h, t, text);
}

static int add_escaped(struct jrun *r, struct jtext *t, const char *s,
		       size_t n, uint32_t c, char quote)
{
	static const char from[] = "\n\r\t\\", to[] = "nrt\\";
	const char *known = c && c < 128 ? strchr(from, (int)c) : NULL;
	char text[16];

	if (known || c == (uint32_t)(unsigned char)quote) {
		text[0] = '\\';
		text[1] = known ? to[known - from] : quote;
		return jtext_add(r->h, t, text, 2);
	}
	if (c == ' ' || unicode_is_printable(c))
		return jtext_add(r->h, t, s, n);
	snprintf(text, sizeof(text), c < 0x100 ? "\\x%02x" : c < 0x10000 ?
		 "\\u%04x" : "\\U%08x", (unsigned)c);
	return jtext_adds(r->h, t, text);
}

static int repr_text(struct jrun *r, struct jtext *t, const struct jval *v)
{
	char quote = v->n && memchr(v->text, '\'', v->n) &&
		     !memchr(v->text, '"', v->n) ? '"' : '\'';
	uint32_t c;

	if (v->safe)
		TRY(jtext_adds(r->h, t, "Markup("));
	TRY(jtext_add(r->h, t, &quote, 1));
	for (size_t i = 0, k; i < v->n; i += k) {
		k = unicode_get(v->text + i, v->n - i, &c);
		TRY(add_escaped(r, t, v->text + i, k, c, quote));
	}
	TRY(jtext_add(r->h, t, &quote, 1));
	return v->safe ? jtext_adds(r->h, t, ")") : 0;
}

static int repr_list(struct jrun *r, struct jtext *t, const struct jval *v)
{
	const struct jlist *l = v->list;
	int tuple = v->kind == J_TUPLE;

	TRY(jtext_adds(r->h, t, tuple ? "(" : "["));
	for (size_t i = 0; i < l->n; i++) {
		if (i)
			TRY(jtext_adds(r->h, t, ", "));
		TRY(jinja_repr(r, t, &l->at[i]));
	}
	return jtext_adds(r->h, t, !tuple ? "]" : l->n == 1 ? ",)" : ")");
}

static int repr_dict(struct jrun *r, struct jtext *t, const struct jval *v)
{
	TRY(jtext_adds(r->h, t, "{"));
	for (size_t i = 0; i < v->dict->n; i++) {
		if (i)
			TRY(jtext_adds(r->h, t, ", "));
		TRY(jinja_repr(r, t, &v->dict->at[i].key));
		TRY(jtext_adds(r->h, t, ": "));
		TRY(jinja_repr(r, t, &v->dict->at[i].value));
	}
	return jtext_adds(r->h, t, "}");
}

static int repr_range(struct jrun *r, struct jtext *t, const struct jlist *l)
{
	char text[96], step[32] = "";

	if (l->step != 1)
		snprintf(step, sizeof(step), ", %lld", (long long)l->step);
	snprintf(text, sizeof(text), "range(%lld, %lld%s)",
		 (long long)l->start, (long long)l->stop, step);
	return jtext_adds(r->h, t, text);
}

static int repr_view(struct jrun *r, struct jtext *t, const struct jval *v)
{
	struct jval list = { .kind = J_LIST, .list = v->list };

	TRY(jtext_adds(r->h, t, v->list->name));
	TRY(jtext_adds(r->h, t, "("));
	TRY(repr_list(r, t, &list));
	return jtext_adds(r->h, t, ")");
}

static int repr_any(struct jrun *r, struct jtext *t, const struct jval *v)
{
	char text[NUMBER];

	switch (v->kind) {
	case J_UNDEFINED:
		return jtext_adds(r->h, t, "Undefined");
	case J_NONE:
		return jtext_adds(r->h, t, "None");
	case J_BOOL:
		return jtext_adds(r->h, t, v->i ? "True" : "False");
	case J_INT:
		snprintf(text, sizeof(text), "%lld", (long long)v->i);
		return jtext_adds(r->h, t, text);
	case J_REAL:
		return jinja_print_real(r, t, v->x);
	case J_TEXT:
		return repr_text(r, t, v);
	case J_LIST:
	case J_TUPLE:
		return repr_list(r, t, v);
	case J_RANGE:
		return repr_range(r, t, v->list);
	case J_VIEW:
		return repr_view(r, t, v);
	case J_DICT:
		return repr_dict(r, t, v);
	default:
		/* Python prints an address. */
		return jrun_fail(r, "a %s cannot be printed", jinja_kind(v));
	}
}

int jinja_repr(struct jrun *r, struct jtext *t, const struct jval *v)
{
	int err;

	TRY(jrun_step(r, 1));
	if (r->depth > JINJA_CALLS)
		return jrun_fail(r, "a value is nested too deeply");
	r->depth++;
	err = repr_any(r, t, v);
	r->depth--;
	return err;
}

int jinja_print(struct jrun *r, struct jtext *t, const struct jval *v)
{
	if (v->kind == J_TEXT) {
		TRY(jrun_step(r, v->n / 64));
		return jtext_add(r->h, t, v->text, v->n);
	}
	return v->kind == J_UNDEFINED ? 0 : jinja_repr(r, t, v);
}

int jinja_str(struct jrun *r, const struct jval *v, struct jval *out)
{
	struct jtext t = { 0 };

	if (v->kind != J_TEXT) {
		TRY(jinja_print(r, &t, v));
		*out = jinja_taken(&t);
		return 0;
	}
	*out = *v;
	return 0;
}
