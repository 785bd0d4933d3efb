/* Tests: x is name(argument). */
#include "formats/jinja_parts.h"

static int say(struct jval *out, int yes)
{
	*out = jinja_bool(yes);
	return 0;
}

static int is_defined(struct jcall *c, struct jval *out)
{
	return say(out, c->self.kind != J_UNDEFINED);
}

static int is_undefined(struct jcall *c, struct jval *out)
{
	return say(out, c->self.kind == J_UNDEFINED);
}

static int is_none(struct jcall *c, struct jval *out)
{
	return say(out, c->self.kind == J_NONE);
}

static int is_boolean(struct jcall *c, struct jval *out)
{
	return say(out, c->self.kind == J_BOOL);
}

static int is_true(struct jcall *c, struct jval *out)
{
	return say(out, c->self.kind == J_BOOL && c->self.i);
}

static int is_false(struct jcall *c, struct jval *out)
{
	return say(out, c->self.kind == J_BOOL && !c->self.i);
}

static int is_integer(struct jcall *c, struct jval *out)
{
	return say(out, c->self.kind == J_INT);
}

static int is_float(struct jcall *c, struct jval *out)
{
	return say(out, c->self.kind == J_REAL);
}

static int is_number(struct jcall *c, struct jval *out)
{
	return say(out, jinja_is_number(&c->self));
}

static int is_string(struct jcall *c, struct jval *out)
{
	return say(out, c->self.kind == J_TEXT);
}

static int is_mapping(struct jcall *c, struct jval *out)
{
	return say(out, c->self.kind == J_DICT);
}

/* What has a length and members; a dict does, and undefined. */
static int is_sequence(struct jcall *c, struct jval *out)
{
	enum jkind k = c->self.kind;

	return say(out, k == J_UNDEFINED || k == J_TEXT || k == J_LIST ||
		   k == J_TUPLE || k == J_RANGE || k == J_DICT);
}

static int is_iterable(struct jcall *c, struct jval *out)
{
	enum jkind k = c->self.kind;

	return say(out, k == J_UNDEFINED || (k >= J_TEXT && k <= J_DICT) ||
		   k == J_LOOP);
}

static int is_callable(struct jcall *c, struct jval *out)
{
	return say(out, c->self.kind == J_UNDEFINED ||
		   c->self.kind >= J_MACRO);
}

static int is_escaped(struct jcall *c, struct jval *out)
{
	return say(out, c->self.kind == J_TEXT && c->self.safe);
}

static int remainder_by(struct jcall *c, struct jval by, struct jval *out)
{
	const struct jtoken mod = { .kind = JT_OP, .text = "%", .n = 1 };

	if (!jinja_is_number(&c->self))
		return jrun_fail(c->r, "'%s' is no number",
				 jinja_kind(&c->self));
	return jinja_op(jinja_products, &mod)->apply(c->r, &c->self, &by, out);
}

static int is_even(struct jcall *c, struct jval *out)
{
	TRY(remainder_by(c, jinja_int(2), out));
	return say(out, !jinja_true(out));
}

static int is_odd(struct jcall *c, struct jval *out)
{
	struct jval one = jinja_int(1);

	TRY(remainder_by(c, jinja_int(2), out));
	return say(out, jinja_equal(c->r, out, &one));
}

static int is_divisible(struct jcall *c, struct jval *out)
{
	TRY(remainder_by(c, c->arg[0], out));
	return say(out, !jinja_true(out));
}

static int is_lower(struct jcall *c, struct jval *out)
{
	TRY(jinja_str(c->r, &c->self, &c->self));
	return jinja_do_islower(c, out);
}

static int is_upper(struct jcall *c, struct jval *out)
{
	TRY(jinja_str(c->r, &c->self, &c->self));
	return jinja_do_isupper(c, out);
}

static int is_in(struct jcall *c, struct jval *out)
{
	return jinja_in(c->r, &c->self, &c->arg[0], out);
}

/* The same object: of texts and numbers, the same value. */
static int is_same(struct jcall *c, struct jval *out)
{
	const struct jval *a = &c->self, *b = &c->arg[0];

	if (a->kind <= J_TEXT)
		return say(out, a->kind == b->kind && jinja_equal(c->r, a, b));
	return say(out, a->kind == b->kind && a->list == b->list);
}

static int is_filter(struct jcall *c, struct jval *out)
{
	return say(out, c->self.kind == J_TEXT &&
		   jinja_filter(c->self.text, c->self.n));
}

static int is_test(struct jcall *c, struct jval *out)
{
	return say(out, c->self.kind == J_TEXT &&
		   jinja_row(jinja_tests, c->self.text, c->self.n));
}

static int is_equal(struct jcall *c, struct jval *out)
{
	return say(out, jinja_equal(c->r, &c->self, &c->arg[0]));
}

static int is_unequal(struct jcall *c, struct jval *out)
{
	return say(out, !jinja_equal(c->r, &c->self, &c->arg[0]));
}

static int ordered(struct jcall *c, int *order)
{
	*order = 0;
	return jinja_order(c->r, &c->self, &c->arg[0], order);
}

static int is_less(struct jcall *c, struct jval *out)
{
	int order;

	TRY(ordered(c, &order));
	return say(out, order < 0);
}

static int is_at_most(struct jcall *c, struct jval *out)
{
	int order;

	TRY(ordered(c, &order));
	return say(out, order <= 0);
}

static int is_more(struct jcall *c, struct jval *out)
{
	int order;

	TRY(ordered(c, &order));
	return say(out, order > 0);
}

static int is_at_least(struct jcall *c, struct jval *out)
{
	int order;

	TRY(ordered(c, &order));
	return say(out, order >= 0);
}

/* clang-format off */
const struct jrow jinja_tests[] = {
	{ "!=", is_unequal, "other" }, { "<", is_less, "other" },
	{ "<=", is_at_most, "other" }, { "==", is_equal, "other" },
	{ ">", is_more, "other" }, { ">=", is_at_least, "other" },
	{ "boolean", is_boolean, "" },
	{ "callable", is_callable, "" },
	{ "defined", is_defined, "" },
	{ "divisibleby", is_divisible, "num" },
	{ "eq", is_equal, "other" },
	{ "equalto", is_equal, "other" },
	{ "escaped", is_escaped, "" },
	{ "even", is_even, "" },
	{ "false", is_false, "" },
	{ "filter", is_filter, "" },
	{ "float", is_float, "" },
	{ "ge", is_at_least, "other" },
	{ "greaterthan", is_more, "other" },
	{ "gt", is_more, "other" },
	{ "in", is_in, "seq" },
	{ "integer", is_integer, "" },
	{ "iterable", is_iterable, "" },
	{ "le", is_at_most, "other" },
	{ "lessthan", is_less, "other" },
	{ "lower", is_lower, "" },
	{ "lt", is_less, "other" },
	{ "mapping", is_mapping, "" },
	{ "ne", is_unequal, "other" },
	{ "none", is_none, "" },
	{ "number", is_number, "" },
	{ "odd", is_odd, "" },
	{ "sameas", is_same, "other" },
	{ "sequence", is_sequence, "" },
	{ "string", is_string, "" },
	{ "test", is_test, "" },
	{ "true", is_true, "" },
	{ "undefined", is_undefined, "" },
	{ "upper", is_upper, "" },
	{ NULL }
};
/* clang-format on */
