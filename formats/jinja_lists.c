/* Filters of what can be gone through. */
#include "formats/jinja_parts.h"

#include <stdlib.h>

static int do_list(struct jcall *c, struct jval *out)
{
	struct jlist *items;

	TRY(jinja_items(c->r, &c->self, &items));
	TRY(jinja_list(c->r, J_LIST, items->n, out));
	for (size_t i = 0; i < items->n; i++)
		TRY(jinja_append(c->r, out, &items->at[i]));
	return 0;
}

static int do_first(struct jcall *c, struct jval *out)
{
	struct jlist *items;

	if (c->self.kind == J_ITER) {
		struct jlist *l = c->self.list;

		*out = l->taken < l->n ? l->at[l->taken++] :
		       jinja_undefined("", 0);
		return 0;
	}
	TRY(jinja_items(c->r, &c->self, &items));
	*out = items->n ? items->at[0] : jinja_undefined("", 0);
	return 0;
}

static int do_last(struct jcall *c, struct jval *out)
{
	struct jlist *items;

	if (c->self.kind == J_ITER)
		return jrun_fail(c->r, "'%s' object is not reversible",
				 jinja_kind(&c->self));
	TRY(jinja_items(c->r, &c->self, &items));
	*out = items->n ? items->at[items->n - 1] : jinja_undefined("", 0);
	return 0;
}

static int do_reverse(struct jcall *c, struct jval *out)
{
	struct jval step[3] = { { .kind = J_NONE }, { .kind = J_NONE },
				jinja_int(-1) };
	struct jlist *items;

	if (c->self.kind == J_TEXT)
		return jinja_slice(c->r, &c->self, step, out);
	TRY(jinja_items(c->r, &c->self, &items));
	TRY(jinja_list(c->r, c->self.kind == J_ITER ? J_LIST : J_ITER,
		       items->n, out));
	for (size_t i = items->n; i-- > 0;)
		TRY(jinja_append(c->r, out, &items->at[i]));
	return 0;
}

static int do_items(struct jcall *c, struct jval *out)
{
	if (c->self.kind == J_UNDEFINED)
		return jinja_list(c->r, J_ITER, 0, out);
	if (c->self.kind != J_DICT)
		return jrun_fail(c->r, "Can only get item pairs from a "
				 "mapping");
	TRY(jinja_do_items(c, out));
	out->kind = J_ITER;
	return 0;
}

/* A part of a path: a number where it is one. */
static int path_part(struct jrun *r, const char *at, size_t n,
		     struct jval *item)
{
	struct jval key = jinja_text(at, n), of = *item;
	int digits = n != 0 && n < 18;

	for (size_t i = 0; i < n; i++)
		digits &= at[i] >= '0' && at[i] <= '9';
	if (digits) {
		int64_t number = 0;

		for (size_t i = 0; i < n; i++)
			number = number * 10 + (at[i] - '0');
		key = jinja_int(number);
	}
	return jinja_item(r, &of, &key, item);
}

int jinja_path(struct jrun *r, const struct jval *v, const struct jval *path,
	       struct jval *out)
{
	size_t from = 0;

	*out = *v;
	if (path->kind != J_TEXT)
		return path->kind == J_NONE ? 0 : jinja_item(r, v, path, out);
	for (size_t i = 0; i <= path->n; i++) {
		if (i < path->n && path->text[i] != '.')
			continue;
		TRY(path_part(r, path->text + from, i - from, out));
		from = i + 1;
	}
	return 0;
}

static int do_join(struct jcall *c, struct jval *out)
{
	struct jtext t = { 0 };
	struct jlist *items;
	struct jval one;

	TRY(jinja_items(c->r, &c->self, &items));
	for (size_t i = 0; i < items->n; i++) {
		one = items->at[i];
		if (c->has[1] && c->arg[1].kind != J_NONE)
			TRY(jinja_path(c->r, &items->at[i], &c->arg[1], &one));
		if (i && c->has[0])
			TRY(jinja_print(c->r, &t, &c->arg[0]));
		TRY(jinja_print(c->r, &t, &one));
	}
	*out = jinja_taken(&t);
	return 0;
}

static int do_sum(struct jcall *c, struct jval *out)
{
	struct jlist *items;
	struct jval one, sum = c->has[1] ? c->arg[1] : jinja_int(0);

	TRY(jinja_items(c->r, &c->self, &items));
	if (sum.kind == J_TEXT)
		return jrun_fail(c->r, "sum() can't sum strings");
	for (size_t i = 0; i < items->n; i++) {
		one = items->at[i];
		if (c->has[0] && c->arg[0].kind != J_NONE)
			TRY(jinja_path(c->r, &items->at[i], &c->arg[0], &one));
		TRY(jinja_add(c->r, &sum, &one, &sum));
	}
	*out = sum;
	return 0;
}

static int do_batch(struct jcall *c, struct jval *out)
{
	struct jval row = { 0 };
	struct jlist *items;
	int64_t width;

	TRY(jinja_whole(c, 0, 0, &width));
	TRY(jinja_items(c->r, &c->self, &items));
	TRY(jinja_list(c->r, J_ITER, 0, out));
	if (width < 1)
		return jrun_fail(c->r, "batch of %lld", (long long)width);
	for (size_t i = 0; i < items->n; i++) {
		if (i % (size_t)width == 0) {
			TRY(jinja_list(c->r, J_LIST, 0, &row));
			TRY(jinja_append(c->r, out, &row));
		}
		TRY(jinja_append(c->r, &row, &items->at[i]));
	}
	while (c->has[1] && c->arg[1].kind != J_NONE && row.list &&
	       row.list->n < (size_t)width)
		TRY(jinja_append(c->r, &row, &c->arg[1]));
	return 0;
}

/* ---- map, select, reject ---- */

/* The arguments behind the first n. */
static struct jlist behind(const struct jlist *args, size_t n)
{
	struct jlist rest = { 0 };

	if (n < args->n) {
		rest.at = args->at + n;
		rest.n = args->n - n;
	}
	return rest;
}

static int named_row(struct jcall *c, size_t i, int test,
		     const struct jrow **row)
{
	const struct jval *name = &c->args->at[i];

	*row = NULL;
	if (name->kind == J_TEXT)
		*row = test ? jinja_row(jinja_tests, name->text, name->n) :
		       jinja_filter(name->text, name->n);
	if (!*row)
		return jrun_fail(c->r, "%s '%.*s' is not supported", test ?
				 "test" : "filter", name->kind == J_TEXT ?
				 (int)name->n : 1, name->kind == J_TEXT ?
				 name->text : "?");
	return 0;
}

static int map_attribute(struct jcall *c, const struct jlist *items,
			 struct jval *out)
{
	struct jval key = jinja_string("attribute"), none = jinja_string(
		"default"), *path, *otherwise, v;

	path = jinja_find(c->r, c->named, &key);
	otherwise = jinja_find(c->r, c->named, &none);
	if (!path || c->named->n != 1 + (size_t)!!otherwise)
		return jrun_fail(c->r, "map requires a filter argument");
	for (size_t i = 0; i < items->n; i++) {
		TRY(jinja_path(c->r, &items->at[i], path, &v));
		if (v.kind == J_UNDEFINED && otherwise)
			v = *otherwise;
		TRY(jinja_append(c->r, out, &v));
	}
	return 0;
}

static int do_map(struct jcall *c, struct jval *out)
{
	struct jlist *items, rest = behind(c->args, 1);
	const struct jrow *row;
	struct jval v;

	TRY(jinja_list(c->r, J_ITER, 0, out));
	if (!jinja_true(&c->self))
		return 0;
	TRY(jinja_items(c->r, &c->self, &items));
	if (!c->args->n)
		return map_attribute(c, items, out);
	TRY(named_row(c, 0, 0, &row));
	for (size_t i = 0; i < items->n; i++) {
		TRY(jinja_call(c->r, row, &items->at[i], &rest, c->named, &v));
		TRY(jinja_append(c->r, out, &v));
	}
	return 0;
}

/* Those of which a test, of an attribute perhaps, is as wanted. */
static int choose(struct jcall *c, int attribute, int wanted, struct jval *out)
{
	size_t at = (size_t)attribute;
	struct jlist *items, rest = behind(c->args, at + 1);
	const struct jrow *row = NULL;
	struct jval v, yes;

	TRY(jinja_list(c->r, J_ITER, 0, out));
	if (!jinja_true(&c->self))
		return 0;
	if (attribute && !c->args->n)
		return jrun_fail(c->r, "Missing parameter for attribute name");
	TRY(jinja_items(c->r, &c->self, &items));
	if (c->args->n > at)
		TRY(named_row(c, at, 1, &row));
	for (size_t i = 0; i < items->n; i++) {
		v = items->at[i];
		if (attribute)
			TRY(jinja_path(c->r, &items->at[i], &c->args->at[0],
				       &v));
		yes = v;
		if (row)
			TRY(jinja_call(c->r, row, &v, &rest, c->named, &yes));
		if (jinja_true(&yes) == wanted)
			TRY(jinja_append(c->r, out, &items->at[i]));
	}
	return 0;
}

static int do_select(struct jcall *c, struct jval *out)
{
	return choose(c, 0, 1, out);
}

static int do_reject(struct jcall *c, struct jval *out)
{
	return choose(c, 0, 0, out);
}

static int do_selectattr(struct jcall *c, struct jval *out)
{
	return choose(c, 1, 1, out);
}

static int do_rejectattr(struct jcall *c, struct jval *out)
{
	return choose(c, 1, 0, out);
}

/* clang-format off */
const struct jrow jinja_list_filters[] = {
	{ "batch", do_batch, "linecount fill_with?" },
	{ "dictsort", jinja_do_dictsort, "case_sensitive? by? reverse?" },
	{ "first", do_first, "" },
	{ "items", do_items, "" },
	{ "join", do_join, "d? attribute?" },
	{ "last", do_last, "" },
	{ "list", do_list, "" },
	{ "map", do_map, "*" },
	{ "max", jinja_do_max, "case_sensitive? attribute?" },
	{ "min", jinja_do_min, "case_sensitive? attribute?" },
	{ "reject", do_reject, "*" },
	{ "rejectattr", do_rejectattr, "*" },
	{ "reverse", do_reverse, "" },
	{ "select", do_select, "*" },
	{ "selectattr", do_selectattr, "*" },
	{ "sort", jinja_do_sort, "reverse? case_sensitive? attribute?" },
	{ "sum", do_sum, "attribute? start?" },
	{ "unique", jinja_do_unique, "case_sensitive? attribute?" },
	{ NULL }
};
/* clang-format on */
