/* What is there without being given. */
#include "formats/jinja_parts.h"

#include <time.h>

static int do_range(struct jcall *c, struct jval *out)
{
	int64_t at[3] = { 0, 0, 1 }, i;
	size_t n = c->args->n, room = 0;

	if (!n || n > 3 || c->named->n)
		return jrun_fail(c->r, "range takes one to three numbers");
	for (size_t k = 0; k < n; k++) {
		if (c->args->at[k].kind != J_INT &&
		    c->args->at[k].kind != J_BOOL)
			return jrun_fail(c->r, "'%s' object cannot be "
					 "interpreted as an integer",
					 jinja_kind(&c->args->at[k]));
		at[n == 1 ? 1 : k] = c->args->at[k].i;
	}
	if (!at[2])
		return jrun_fail(c->r, "range() arg 3 must not be zero");
	TRY(jinja_list(c->r, J_RANGE, 0, out));
	out->list->start = at[0];
	out->list->stop = at[1];
	out->list->step = at[2];
	for (i = at[0]; at[2] > 0 ? i < at[1] : i > at[1];) {
		struct jval v = jinja_int(i);

		if (++room > JINJA_RANGE)
			return jrun_fail(c->r, "a range of more than %d",
					 JINJA_RANGE);
		TRY(jinja_append(c->r, out, &v));
		if (__builtin_add_overflow(i, at[2], &i))
			break;
	}
	return 0;
}

/* Pairs, or another dict, and named arguments. */
static int do_dict(struct jcall *c, struct jval *out)
{
	struct jlist *pairs = NULL;
	struct jval made;

	TRY(jinja_dict(c->r, &made));
	if (c->args->n > 1)
		return jrun_fail(c->r, "dict takes one argument");
	if (c->args->n && c->args->at[0].kind == J_DICT) {
		const struct jdict *d = c->args->at[0].dict;

		for (size_t i = 0; i < d->n; i++)
			TRY(jinja_put(c->r, made.dict, &d->at[i].key,
				      &d->at[i].value));
	} else if (c->args->n) {
		TRY(jinja_items(c->r, &c->args->at[0], &pairs));
	}
	for (size_t i = 0; pairs && i < pairs->n; i++) {
		struct jlist *pair;

		TRY(jinja_items(c->r, &pairs->at[i], &pair));
		if (pair->n != 2)
			return jrun_fail(c->r, "a dict is made of pairs");
		TRY(jinja_put(c->r, made.dict, &pair->at[0], &pair->at[1]));
	}
	for (size_t i = 0; i < c->named->n; i++)
		TRY(jinja_put(c->r, made.dict, &c->named->at[i].key,
			      &c->named->at[i].value));
	*out = made;
	return 0;
}

static int do_namespace(struct jcall *c, struct jval *out)
{
	TRY(do_dict(c, out));
	out->kind = J_NAMESPACE;
	return 0;
}

static int do_raise(struct jcall *c, struct jval *out)
{
	TRY(jinja_str(c->r, &c->arg[0], out));
	return jrun_fail(c->r, "%.*s", (int)(out->n < 400 ? out->n : 400),
			 out->text);
}

static int do_strftime(struct jcall *c, struct jval *out)
{
	const time_t now = JINJA_NOW;
	char format[128], text[512], *copy;
	struct tm tm;
	size_t n;

	if (c->arg[0].kind != J_TEXT || c->arg[0].n >= sizeof(format) ||
	    memchr(c->arg[0].text, 0, c->arg[0].n))
		return jrun_fail(c->r, "strftime_now wants a short text");
	memcpy(format, c->arg[0].text, c->arg[0].n);
	format[c->arg[0].n] = 0;
	if (!gmtime_r(&now, &tm))
		return jrun_fail(c->r, "there is no time");
	n = strftime(text, sizeof(text), format, &tm);
	TRY(jheap_get(c->r->h, &copy, n + 1));
	memcpy(copy, text, n);
	*out = jinja_text(copy, n);
	return 0;
}

/* clang-format off */
const struct jrow jinja_globals[] = {
	{ "dict", do_dict, "*" },
	{ "namespace", do_namespace, "*" },
	{ "raise_exception", do_raise, "message" },
	{ "range", do_range, "*" },
	{ "strftime_now", do_strftime, "format" },
	{ NULL }
};
/* clang-format on */
