/* Methods of dicts, lists and loops. */
#include "formats/jinja_parts.h"

enum view { KEYS = 1, VALUES = 2 };

static int view(struct jcall *c, const char *name, int what, struct jval *out)
{
	const struct jdict *d = c->self.dict;
	struct jval pair;

	TRY(jinja_list(c->r, J_VIEW, d->n, out));
	out->list->name = name;
	for (size_t i = 0; i < d->n; i++) {
		pair = what == KEYS ? d->at[i].key : d->at[i].value;
		if (what == (KEYS | VALUES)) {
			TRY(jinja_list(c->r, J_TUPLE, 2, &pair));
			TRY(jinja_append(c->r, &pair, &d->at[i].key));
			TRY(jinja_append(c->r, &pair, &d->at[i].value));
		}
		TRY(jinja_append(c->r, out, &pair));
	}
	return 0;
}

int jinja_do_items(struct jcall *c, struct jval *out)
{
	return view(c, "dict_items", KEYS | VALUES, out);
}

static int do_keys(struct jcall *c, struct jval *out)
{
	return view(c, "dict_keys", KEYS, out);
}

static int do_values(struct jcall *c, struct jval *out)
{
	return view(c, "dict_values", VALUES, out);
}

static int do_get(struct jcall *c, struct jval *out)
{
	struct jval *found;

	TRY(jinja_hashable(c->r, &c->arg[0]));
	found = jinja_find(c->r, c->self.dict, &c->arg[0]);
	*out = found ? *found : c->has[1] ? c->arg[1] :
	       (struct jval){ .kind = J_NONE };
	return 0;
}

/* Nothing can be changed, so a copy is the same. */
static int do_copy(struct jcall *c, struct jval *out)
{
	*out = c->self;
	return 0;
}

static int do_count(struct jcall *c, struct jval *out)
{
	*out = jinja_int(0);
	for (size_t i = 0; i < c->self.list->n; i++)
		out->i += jinja_equal(c->r, &c->self.list->at[i], &c->arg[0]);
	return jrun_step(c->r, c->self.list->n);
}

static int do_index(struct jcall *c, struct jval *out)
{
	TRY(jrun_step(c->r, c->self.list->n));
	for (size_t i = 0; i < c->self.list->n; i++)
		if (jinja_equal(c->r, &c->self.list->at[i], &c->arg[0])) {
			*out = jinja_int((int64_t)i);
			return 0;
		}
	return jrun_fail(c->r, "the value is not in the list");
}

static int do_cycle(struct jcall *c, struct jval *out)
{
	if (!c->args->n)
		return jrun_fail(c->r, "no items for cycling given");
	*out = c->args->at[c->self.loop->at % c->args->n];
	return 0;
}

static int do_changed(struct jcall *c, struct jval *out)
{
	struct jloop *l = c->self.loop;
	struct jval now = { .kind = J_TUPLE };

	TRY(jinja_list(c->r, J_TUPLE, 0, &now));
	for (size_t i = 0; i < c->args->n; i++)
		TRY(jinja_append(c->r, &now, &c->args->at[i]));
	*out = jinja_bool(!l->asked || !jinja_equal(c->r, &l->last, &now));
	l->asked = 1;
	l->last = now;
	return 0;
}

/* clang-format off */
const struct jrow jinja_dict_methods[] = {
	{ "copy", do_copy, "" },
	{ "get", do_get, "key default?" },
	{ "items", jinja_do_items, "" },
	{ "keys", do_keys, "" },
	{ "values", do_values, "" },
	{ NULL }
};

const struct jrow jinja_list_methods[] = {
	{ "copy", do_copy, "" },
	{ "count", do_count, "value" },
	{ "index", do_index, "value" },
	{ NULL }
};

const struct jrow jinja_loop_methods[] = {
	{ "changed", do_changed, "*" },
	{ "cycle", do_cycle, "*" },
	{ NULL }
};
/* clang-format on */
