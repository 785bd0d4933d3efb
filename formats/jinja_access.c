/* What is inside a value: x.name, x[key], x[a:b:c], a in b. */
#include "formats/jinja_parts.h"

#include "formats/unicode.h"

#include <stdlib.h>

const struct jrow *jinja_method(const struct jval *v, const char *name,
				size_t n)
{
	const struct jrow *rows = v->kind == J_TEXT ? jinja_text_methods :
				  v->kind == J_DICT ? jinja_dict_methods :
				  v->kind == J_LOOP ? jinja_loop_methods :
				  v->kind == J_LIST || v->kind == J_TUPLE ?
				  jinja_list_methods : NULL;

	return rows ? jinja_row(rows, name, n) : NULL;
}

/* Python's, which exist but are not here; those that change a value are
 * refused by jinja2's sandbox too. */
static int is_refused(const struct jval *v, const char *name, size_t n)
{
	static const char *const texts[] = {
		"casefold", "encode", "expandtabs", "format", "format_map",
		"isascii", "isdecimal", "isidentifier", "isnumeric",
		"isprintable", "istitle", "maketrans", "swapcase", "translate",
		NULL
	};
	static const char *const dicts[] = { "clear", "fromkeys", "pop",
		"popitem", "setdefault", "update", NULL };
	static const char *const lists[] = { "append", "clear", "extend",
		"insert", "pop", "remove", "reverse", "sort", NULL };
	const char *const *names = v->kind == J_TEXT ? texts :
				   v->kind == J_DICT ? dicts :
				   v->kind == J_LIST ? lists : NULL;

	for (; names && *names; names++)
		if (strlen(*names) == n && !memcmp(*names, name, n))
			return 1;
	return 0;
}

static int method(struct jrun *r, const struct jval *v, const char *name,
		  size_t n, struct jval *out)
{
	const struct jrow *row = jinja_method(v, name, n);

	if (is_refused(v, name, n))
		return jrun_fail(r, "method '%.*s' of '%s' is not supported",
				 (int)n, name, jinja_kind(v));
	*out = jinja_undefined(name, n);
	if (!row)
		return 0;
	*out = (struct jval){ .kind = J_METHOD };
	TRY(jheap_get(r->h, &out->bound, sizeof(*out->bound)));
	*out->bound = (struct jbound){ *v, row };
	return 0;
}

/* loop.index and the like. */
static int loop_attr(const struct jloop *l, const struct jval *name,
		     struct jval *out)
{
	size_t i = l->at, n = l->items->n;
	const struct {
		const char *name;
		struct jval value;
	} values[] = {
		{ "index", jinja_int((int64_t)i + 1) },
		{ "index0", jinja_int((int64_t)i) },
		{ "revindex", jinja_int((int64_t)(n - i)) },
		{ "revindex0", jinja_int((int64_t)(n - i - 1)) },
		{ "first", jinja_bool(!i) },
		{ "last", jinja_bool(i + 1 == n) },
		{ "length", jinja_int((int64_t)n) },
		{ "depth", jinja_int(1) }, /* of recursive loops */
		{ "depth0", jinja_int(0) },
		{ "previtem", i ? l->items->at[i - 1] :
		  jinja_undefined("previtem", 8) },
		{ "nextitem", i + 1 < n ? l->items->at[i + 1] :
		  jinja_undefined("nextitem", 8) },
	};

	for (size_t k = 0; k < sizeof(values) / sizeof(*values); k++)
		if (jinja_is(name, values[k].name)) {
			*out = values[k].value;
			return 1;
		}
	return 0;
}

static int no_attributes(struct jrun *r, const struct jval *v, const char *name,
			 size_t n)
{
	return jrun_fail(r, "'%.*s' is undefined, so it has no '%.*s'",
			 (int)v->n, v->text ? v->text : "", (int)n, name);
}

int jinja_attr(struct jrun *r, const struct jval *v, const char *name, size_t n,
	       struct jval *out)
{
	struct jval key = jinja_text(name, n), *found;

	if (v->kind == J_UNDEFINED)
		return no_attributes(r, v, name, n);
	if (v->kind == J_LOOP && loop_attr(v->loop, &key, out))
		return 0;
	if (v->kind != J_NAMESPACE)
		TRY(method(r, v, name, n, out));
	else
		*out = jinja_undefined(name, n);
	if (out->kind == J_METHOD ||
	    (v->kind != J_DICT && v->kind != J_NAMESPACE))
		return 0;
	found = jinja_find(r, v->dict, &key);
	if (found)
		*out = *found;
	return 0;
}

/* The character of that number. */
static struct jval character(const struct jval *v, size_t i)
{
	size_t at = 0, k;
	uint32_t c;

	while (at < v->n && (k = unicode_get(v->text + at, v->n - at, &c), i)) {
		at += k;
		i--;
	}
	if (at == v->n)
		return jinja_undefined("", 0);
	k = unicode_get(v->text + at, v->n - at, &c);
	return jinja_text(v->text + at, k);
}

static int numbered(struct jrun *r, const struct jval *v, int64_t i,
		    struct jval *out)
{
	size_t n;

	TRY(jinja_length(r, v, &n));
	*out = jinja_undefined("", 0);
	if (i < 0)
		i += (int64_t)n;
	if (i < 0 || i >= (int64_t)n)
		return 0;
	*out = v->kind == J_TEXT ? character(v, (size_t)i) :
	       v->list->at[i];
	return 0;
}

int jinja_item(struct jrun *r, const struct jval *v, const struct jval *key,
	       struct jval *out)
{
	struct jval *found;

	if (v->kind == J_UNDEFINED)
		return no_attributes(r, v, key->kind == J_TEXT ? key->text :
				     "item", key->kind == J_TEXT ? key->n : 4);
	if (v->kind == J_DICT) {
		found = jinja_find(r, v->dict, key);
		if (found) {
			*out = *found;
			return 0;
		}
	}
	if (key->kind == J_TEXT)
		return jinja_attr(r, v, key->text, key->n, out);
	*out = jinja_undefined("", 0);
	if (key->kind != J_INT && key->kind != J_BOOL)
		return 0;
	return v->kind == J_TEXT || (jinja_is_sequence(v) &&
				     v->kind != J_VIEW) ?
	       numbered(r, v, key->i, out) : 0;
}

/* A bound of a slice, brought into [low, high]. */
static int64_t bound_of(const struct jval *v, int64_t none, int64_t n,
			int64_t low, int64_t high)
{
	int64_t i = v->kind == J_NONE ? none : v->i;

	if (v->kind != J_NONE && i < 0)
		i += n;
	return i < low ? low : i > high ? high : i;
}

static int slice_text(struct jrun *r, const struct jval *v, int64_t from,
		      int64_t to, int64_t step, struct jval *out)
{
	struct jlist *chars;
	struct jtext t = { 0 };

	if (step == 1) { /* bytes are as they are */
		size_t start = 0, end;

		for (int64_t i = 0; start < v->n && i < from; i++)
			start += unicode_get(v->text + start, v->n - start,
					     &(uint32_t){ 0 });
		end = start;
		for (int64_t i = from; end < v->n && i < to; i++)
			end += unicode_get(v->text + end, v->n - end,
					   &(uint32_t){ 0 });
		*out = jinja_text(v->text + start, end - start);
		return jrun_step(r, v->n / 16);
	}
	TRY(jinja_items(r, v, &chars));
	for (int64_t i = from; step > 0 ? i < to : i > to; i += step)
		TRY(jtext_add(r->h, &t, chars->at[i].text, chars->at[i].n));
	*out = jinja_taken(&t);
	return 0;
}

int jinja_slice(struct jrun *r, const struct jval *v,
		const struct jval bound[3], struct jval *out)
{
	int64_t step = bound[2].kind == J_NONE ? 1 : bound[2].i, n, from, to;
	struct jval list;
	size_t length;

	if (v->kind == J_UNDEFINED)
		return no_attributes(r, v, "item", 4);
	if (v->kind != J_TEXT && v->kind != J_LIST && v->kind != J_TUPLE)
		return jrun_fail(r, "a slice of '%s' is not supported",
				 jinja_kind(v));
	for (int i = 0; i < 3; i++)
		if (bound[i].kind != J_NONE && bound[i].kind != J_INT &&
		    bound[i].kind != J_BOOL)
			return jrun_fail(r, "slice indices must be integers");
	if (!step)
		return jrun_fail(r, "slice step cannot be zero");
	TRY(jinja_length(r, v, &length));
	n = (int64_t)length;
	/* A step beyond all of it takes one. */
	step = step > n ? n + 1 : step < -n ? -n - 1 : step;
	from = step > 0 ? bound_of(&bound[0], 0, n, 0, n) :
	       bound_of(&bound[0], n - 1, n, -1, n - 1);
	to = step > 0 ? bound_of(&bound[1], n, n, 0, n) :
	     bound_of(&bound[1], -1, n, -1, n - 1);
	if (v->kind == J_TEXT)
		return slice_text(r, v, from, to, step, out);
	TRY(jinja_list(r, v->kind, 0, &list));
	for (int64_t i = from; step > 0 ? i < to : i > to; i += step)
		TRY(jinja_append(r, &list, &v->list->at[i]));
	*out = list;
	return 0;
}

static int holds(const struct jval *text, const struct jval *part)
{
	const char *at = text->text;
	size_t left = text->n;

	while (left >= part->n) {
		const char *next = part->n ? memchr(at, *part->text, left -
						    part->n + 1) : at;

		if (!next)
			return 0;
		if (!memcmp(next, part->text, part->n))
			return 1;
		left -= (size_t)(next - at) + 1;
		at = next + 1;
	}
	return 0;
}

int jinja_in(struct jrun *r, const struct jval *a, const struct jval *b,
	     struct jval *out)
{
	struct jlist *items;

	*out = jinja_bool(0);
	if (b->kind == J_TEXT) {
		if (a->kind != J_TEXT)
			return jrun_fail(r, "'in <string>' requires string as "
					 "left operand, not %s",
					 jinja_kind(a));
		*out = jinja_bool(holds(b, a));
		return jrun_step(r, b->n / 64);
	}
	if (b->kind == J_DICT) {
		TRY(jinja_hashable(r, a));
		*out = jinja_bool(jinja_find(r, b->dict, a) != NULL);
		return 0;
	}
	if (b->kind == J_NAMESPACE)
		return jrun_fail(r, "'namespace' is not iterable");
	TRY(jinja_items(r, b, &items));
	for (size_t i = 0; i < items->n && !out->i; i++)
		*out = jinja_bool(jinja_equal(r, &items->at[i], a));
	return jrun_step(r, items->n);
}
