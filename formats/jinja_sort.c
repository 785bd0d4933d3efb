/* Filters that compare: by a key, in which case does not count. */
#include "formats/jinja_parts.h"

struct keyed {
	struct jval key, value;
};

static int fold(struct jrun *r, int exact, struct jval *key)
{
	struct jtext t = { 0 };

	if (exact || key->kind != J_TEXT)
		return 0;
	TRY(jinja_lower(r->h, &t, key->text, key->n));
	*key = jinja_taken(&t);
	return jrun_step(r, key->n / 8);
}

/* Its value at each of the paths, which commas part, as a list. */
static int key_of(struct jcall *c, const struct jval *v,
		  const struct jval *paths, int exact, struct jval *key)
{
	size_t from = 0;
	struct jval one;

	TRY(jinja_list(c->r, J_LIST, 0, key));
	if (!paths || paths->kind != J_TEXT) {
		one = *v;
		if (paths)
			TRY(jinja_path(c->r, v, paths, &one));
		TRY(fold(c->r, exact, &one));
		return jinja_append(c->r, key, &one);
	}
	for (size_t i = 0; i <= paths->n; i++) {
		struct jval path = jinja_text(paths->text + from, i - from);

		if (i < paths->n && paths->text[i] != ',')
			continue;
		TRY(jinja_path(c->r, v, &path, &one));
		TRY(fold(c->r, exact, &one));
		TRY(jinja_append(c->r, key, &one));
		from = i + 1;
	}
	return 0;
}

static int keys_of(struct jcall *c, const struct jlist *items,
		   const struct jval *paths, int exact, struct keyed **all)
{
	TRY(jheap_get(c->r->h, all, items->n * sizeof(**all)));
	for (size_t i = 0; i < items->n; i++) {
		(*all)[i].value = items->at[i];
		TRY(key_of(c, &items->at[i], paths, exact, &(*all)[i].key));
	}
	return 0;
}

/* Merges the sorted halves of at (n), by way of spare; equals stay in order. */
static int merge_sort(struct jrun *r, struct keyed *at, struct keyed *spare,
		      size_t n, int reverse)
{
	size_t half = n / 2, a = 0, b = half;
	int order = 0;

	if (n < 2)
		return 0;
	TRY(merge_sort(r, at, spare, half, reverse));
	TRY(merge_sort(r, at + half, spare, n - half, reverse));
	TRY(jrun_step(r, n));
	for (size_t i = 0; i < n; i++) {
		if (a < half && b < n)
			TRY(jinja_order(r, &at[a].key, &at[b].key, &order));
		if (reverse)
			order = -order;
		spare[i] = b == n || (a < half && order <= 0) ? at[a++] :
			   at[b++];
	}
	memcpy(at, spare, n * sizeof(*at));
	return 0;
}

static int sorted(struct jcall *c, const struct jlist *items,
		  const struct jval *paths, int exact, int reverse,
		  struct jval *out)
{
	struct keyed *all, *spare;

	TRY(keys_of(c, items, paths, exact, &all));
	TRY(jheap_get(c->r->h, &spare, items->n * sizeof(*spare)));
	TRY(merge_sort(c->r, all, spare, items->n, reverse));
	TRY(jinja_list(c->r, J_LIST, items->n, out));
	for (size_t i = 0; i < items->n; i++)
		TRY(jinja_append(c->r, out, &all[i].value));
	return 0;
}

static int flag(const struct jcall *c, int i)
{
	return c->has[i] && jinja_true(&c->arg[i]);
}

static const struct jval *given(const struct jcall *c, int i)
{
	return c->has[i] && c->arg[i].kind != J_NONE ? &c->arg[i] : NULL;
}

int jinja_do_sort(struct jcall *c, struct jval *out)
{
	struct jlist *items;

	TRY(jinja_items(c->r, &c->self, &items));
	return sorted(c, items, given(c, 2), flag(c, 1), flag(c, 0), out);
}

int jinja_do_dictsort(struct jcall *c, struct jval *out)
{
	struct jval by = jinja_int(0), pairs;

	if (c->self.kind != J_DICT)
		return jrun_fail(c->r, "dictsort of '%s'",
				 jinja_kind(&c->self));
	if (c->has[1] && jinja_is(&c->arg[1], "value"))
		by = jinja_int(1);
	else if (c->has[1] && !jinja_is(&c->arg[1], "key"))
		return jrun_fail(c->r, "You can only sort by either \"key\" "
				 "or \"value\"");
	TRY(jinja_do_items(c, &pairs));
	return sorted(c, pairs.list, &by, flag(c, 0), flag(c, 2), out);
}

static int extreme(struct jcall *c, int sign, struct jval *out)
{
	struct keyed *all;
	struct jlist *items;
	size_t best = 0;
	int order;

	TRY(jinja_items(c->r, &c->self, &items));
	TRY(keys_of(c, items, given(c, 1), flag(c, 0), &all));
	for (size_t i = 1; i < items->n; i++) {
		TRY(jinja_order(c->r, &all[i].key, &all[best].key, &order));
		if (order * sign > 0)
			best = i;
	}
	*out = items->n ? all[best].value : jinja_undefined("", 0);
	return 0;
}

int jinja_do_max(struct jcall *c, struct jval *out)
{
	return extreme(c, 1, out);
}

int jinja_do_min(struct jcall *c, struct jval *out)
{
	return extreme(c, -1, out);
}

int jinja_do_unique(struct jcall *c, struct jval *out)
{
	struct keyed *all;
	struct jlist *items;
	size_t n = 0;

	TRY(jinja_items(c->r, &c->self, &items));
	TRY(keys_of(c, items, given(c, 1), flag(c, 0), &all));
	TRY(jinja_list(c->r, J_ITER, 0, out));
	for (size_t i = 0; i < items->n; i++) {
		const struct jval *key = &all[i].key.list->at[0];
		size_t k = 0;

		TRY(jinja_hashable(c->r, key));
		while (k < n && !jinja_equal(c->r, &all[k].key, &all[i].key))
			k++;
		TRY(jrun_step(c->r, k / 4));
		if (k < n)
			continue;
		TRY(jinja_append(c->r, out, &all[i].value));
		all[n++] = all[i];
	}
	return 0;
}
