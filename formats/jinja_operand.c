/* Operands: constants, names, lists; what follows one: .x [x] (x) | and is. */
#include "formats/jinja_parts.h"

static int new_const(struct jparse *p, struct jval v, struct jnode **n)
{
	TRY(jparse_new(p, jeval_const, n));
	(*n)->value = v;
	return 0;
}

/* Strings that stand next to each other are one. */
static int parse_text(struct jparse *p, struct jnode **n)
{
	struct jtext all = { 0 };

	TRY(new_const(p, jinja_text(p->t->text, p->t->n), n));
	if (p->t[1].kind != JT_TEXT) {
		p->t++;
		return 0;
	}
	for (; p->t->kind == JT_TEXT; p->t++)
		TRY(jtext_add(p->h, &all, p->t->text, p->t->n));
	(*n)->value = jinja_taken(&all);
	return 0;
}

/* A name, and what it says of the macro around it. */
int jparse_name(struct jparse *p, struct jnode **n)
{
	static const char *const special[] = { "caller", "varargs", "kwargs" };

	if (p->t->kind != JT_NAME)
		return jparse_unexpected(p, "a name");
	for (int i = 0; i < 3; i++)
		if (jparse_is_name(p, special[i]))
			p->uses |= 1 << i;
	TRY(jparse_new(p, jeval_name, n));
	(*n)->value = jinja_text(p->t->text, p->t->n);
	p->t++;
	return 0;
}

static int parse_name(struct jparse *p, struct jnode **n)
{
	static const struct {
		const char *name;
		struct jval value;
	} consts[] = {
		{ "true", { .kind = J_BOOL, .i = 1 } },
		{ "True", { .kind = J_BOOL, .i = 1 } },
		{ "false", { .kind = J_BOOL } },
		{ "False", { .kind = J_BOOL } },
		{ "none", { .kind = J_NONE } }, { "None", { .kind = J_NONE } },
	};
	/* What Jinja has and this interpreter does not. */
	static const char *const refused[] = {
		"cycler", "joiner", "lipsum", "self", "super",
	};
	const struct jtoken *t = p->t++;

	for (size_t i = 0; i < sizeof(consts) / sizeof(*consts); i++)
		if (strlen(consts[i].name) == t->n &&
		    !memcmp(consts[i].name, t->text, t->n))
			return new_const(p, consts[i].value, n);
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		if (strlen(refused[i]) == t->n &&
		    !memcmp(refused[i], t->text, t->n) &&
		    (jparse_is(p, "(") || jparse_is(p, ".")))
			return jinja_fail(t->line, "'%s' is not supported",
					  refused[i]);
	p->t--;
	return jparse_name(p, n);
}

/* [a, b,] with the bracket open. */
static int parse_list(struct jparse *p, struct jnode **n)
{
	struct jnode **last;

	TRY(jparse_new(p, jeval_list, n));
	last = &(*n)->a;
	while (!jparse_is(p, "]")) {
		TRY(jparse_expr(p, 0, last));
		last = &(*last)->next;
		if (!jparse_is(p, "]"))
			TRY(jparse_want(p, ","));
	}
	return jparse_want(p, "]");
}

/* Keys and values alternate in a. */
static int parse_dict(struct jparse *p, struct jnode **n)
{
	struct jnode **last;

	TRY(jparse_new(p, jeval_dict, n));
	last = &(*n)->a;
	while (!jparse_is(p, "}")) {
		for (int i = 0; i < 2; i++) {
			TRY(jparse_expr(p, 0, last));
			last = &(*last)->next;
			if (!i)
				TRY(jparse_want(p, ":"));
		}
		if (!jparse_is(p, "}"))
			TRY(jparse_want(p, ","));
	}
	return jparse_want(p, "}");
}

static int parse_paren(struct jparse *p, struct jnode **n)
{
	if (jparse_is(p, ")")) {
		p->t++;
		return jparse_new(p, jeval_tuple, n);
	}
	TRY(jparse_tuple(p, 0, n));
	return jparse_want(p, ")");
}

static int parse_primary(struct jparse *p, struct jnode **n)
{
	const struct jtoken *t = p->t;

	if (t->kind == JT_NAME)
		return parse_name(p, n);
	if (t->kind == JT_TEXT)
		return parse_text(p, n);
	if (t->kind == JT_INT || t->kind == JT_REAL) {
		p->t++;
		return new_const(p, t->kind == JT_INT ? jinja_int(t->i) :
				 jinja_real(t->x), n);
	}
	if (jparse_is(p, "("))
		return p->t++, parse_paren(p, n);
	if (jparse_is(p, "["))
		return p->t++, parse_list(p, n);
	if (jparse_is(p, "{"))
		return p->t++, parse_dict(p, n);
	return jparse_unexpected(p, "an expression");
}

/* Between brackets: an expression, or bounds b, c, d of a slice. */
static int parse_subscript(struct jparse *p, struct jnode *n)
{
	struct jnode **bound[] = { &n->b, &n->c, &n->d };
	int i = 0;

	for (;;) {
		if (!jparse_is(p, ":") && !jparse_is(p, "]"))
			TRY(jparse_expr(p, 0, bound[i]));
		if (!jparse_is(p, ":") || i == 2)
			break;
		p->t++;
		n->eval = jeval_slice;
		i++;
	}
	if (!i && !n->b)
		return jparse_unexpected(p, "a subscript");
	return jparse_want(p, "]");
}

static int parse_postfix(struct jparse *p, struct jnode **n)
{
	struct jnode *of;

	for (;;) {
		of = *n;
		if (jparse_is(p, ".")) {
			p->t++;
			TRY(jparse_new(p, jeval_attr, n));
			if (p->t->kind == JT_INT) {
				(*n)->eval = jeval_item;
				TRY(new_const(p, jinja_int(p->t->i),
					      &(*n)->b));
			} else if (p->t->kind != JT_NAME) {
				return jparse_unexpected(p, "a name");
			}
			(*n)->value = jinja_text(p->t->text, p->t->n);
			p->t++;
		} else if (jparse_is(p, "[")) {
			p->t++;
			TRY(jparse_new(p, jeval_item, n));
			TRY(parse_subscript(p, *n));
		} else if (jparse_is(p, "(")) {
			TRY(jparse_new(p, jeval_call, n));
			TRY(jparse_args(p, *n));
		} else {
			return 0;
		}
		(*n)->a = of;
	}
}

static int starts_argument(const struct jparse *p)
{
	if (p->t->kind == JT_NAME)
		return !jparse_is_name(p, "else") && !jparse_is_name(p, "or") &&
		       !jparse_is_name(p, "and");
	return p->t->kind == JT_TEXT || p->t->kind == JT_INT ||
	       p->t->kind == JT_REAL || jparse_is(p, "[") || jparse_is(p, "{");
}

/* x is [not] name [argument] */
static int parse_test(struct jparse *p, struct jnode **n)
{
	struct jnode *of = *n;
	int not = jparse_is_name(p, "not");

	p->t += not;
	if (p->t->kind != JT_NAME)
		return jparse_unexpected(p, "a test");
	TRY(jparse_new(p, jeval_test, n));
	(*n)->row = jinja_row(jinja_tests, p->t->text, p->t->n);
	if (!(*n)->row)
		return jinja_fail(p->t->line, "test '%.*s' is not supported",
				  (int)p->t->n, p->t->text);
	(*n)->flag = not;
	p->t++;
	if (jparse_is(p, "(")) {
		TRY(jparse_args(p, *n));
	} else if (jparse_is_name(p, "is")) {
		return jparse_unexpected(p, "one test");
	} else if (starts_argument(p)) {
		TRY(parse_primary(p, &(*n)->b));
		TRY(parse_postfix(p, &(*n)->b));
	}
	(*n)->a = of;
	return 0;
}

/* The name behind a bar, with arguments; *n is what it is applied to. */
int jparse_filter(struct jparse *p, struct jnode **n)
{
	struct jnode *of = *n;
	const struct jtoken *t = p->t;

	if (t->kind != JT_NAME)
		return jparse_unexpected(p, "a filter");
	TRY(jparse_new(p, jeval_filter, n));
	(*n)->row = jinja_filter(t->text, t->n);
	if (!(*n)->row)
		return jinja_fail(t->line, "filter '%.*s' is not supported",
				  (int)t->n, t->text);
	p->t++;
	if (jparse_is(p, "("))
		TRY(jparse_args(p, *n));
	(*n)->a = of;
	return 0;
}

static int parse_filters(struct jparse *p, struct jnode **n)
{
	for (;;) {
		if (jparse_is(p, "|")) {
			p->t++;
			TRY(jparse_filter(p, n));
		} else if (jparse_is_name(p, "is")) {
			p->t++;
			TRY(parse_test(p, n));
		} else if (jparse_is(p, "(")) {
			struct jnode *of = *n;

			TRY(jparse_new(p, jeval_call, n));
			TRY(jparse_args(p, *n));
			(*n)->a = of;
		} else {
			return 0;
		}
	}
}

int jparse_unary(struct jparse *p, int filters, struct jnode **n)
{
	if (jparse_is(p, "-") || jparse_is(p, "+")) {
		int minus = jparse_is(p, "-");

		TRY(jparse_deeper(p));
		p->t++;
		TRY(jparse_new(p, jeval_unary, n));
		(*n)->flag = minus;
		TRY(jparse_unary(p, 0, &(*n)->a));
		p->depth--;
	} else {
		TRY(parse_primary(p, n));
	}
	TRY(parse_postfix(p, n));
	return filters ? parse_filters(p, n) : 0;
}
