/*
 * Expressions, by jinja2's precedences, weakest first: a if b else c; or; and;
 * not; comparisons (a chain); + -; ~; * / // %; unary; **; x.y, x[y], x(y);
 * | and is.
 */
#include "formats/jinja_parts.h"

typedef int parse_fn(struct jparse *p, struct jnode **n);

static int binary(struct jparse *p, const struct jop *op, parse_fn *operand,
		  struct jnode **n)
{
	struct jnode *left = *n;

	p->t++;
	TRY(jparse_new(p, jeval_binary, n));
	(*n)->row = op;
	(*n)->a = left;
	return operand(p, &(*n)->b);
}

static int parse_operand(struct jparse *p, struct jnode **n)
{
	return jparse_unary(p, 1, n);
}

static int parse_power(struct jparse *p, struct jnode **n)
{
	TRY(parse_operand(p, n));
	while (jparse_is(p, "**"))
		TRY(binary(p, &jinja_power, parse_operand, n));
	return 0;
}

static int parse_product(struct jparse *p, struct jnode **n)
{
	const struct jop *op;

	TRY(parse_power(p, n));
	while ((op = jinja_op(jinja_products, p->t)))
		TRY(binary(p, op, parse_power, n));
	return 0;
}

static int parse_join(struct jparse *p, struct jnode **n)
{
	struct jnode *first, **last;

	TRY(parse_product(p, n));
	if (!jparse_is(p, "~"))
		return 0;
	first = *n;
	TRY(jparse_new(p, jeval_join, n));
	(*n)->a = first;
	last = &first->next;
	while (jparse_is(p, "~")) {
		p->t++;
		TRY(parse_product(p, last));
		last = &(*last)->next;
	}
	return 0;
}

static int parse_sum(struct jparse *p, struct jnode **n)
{
	const struct jop *op;

	TRY(parse_join(p, n));
	while ((op = jinja_op(jinja_sums, p->t)))
		TRY(binary(p, op, parse_join, n));
	return 0;
}

/* The operator that is next; *not: "not in". */
static const struct jop *comparison(struct jparse *p, int *not)
{
	static const struct jop in = { "in", jinja_in };

	*not = 0;
	if (jparse_is_name(p, "in"))
		return &in;
	if (!jparse_is_name(p, "not") || p->t[1].kind != JT_NAME ||
	    p->t[1].n != 2 || memcmp(p->t[1].text, "in", 2))
		return jinja_op(jinja_comparisons, p->t);
	p->t++;
	*not = 1;
	return &in;
}

/* a < b < c: the operands after the first are in b, each with its row. */
static int parse_compare(struct jparse *p, struct jnode **n)
{
	struct jnode *first, **last;
	const struct jop *op;
	int not;

	TRY(parse_sum(p, n));
	first = *n;
	for (last = NULL; (op = comparison(p, &not));) {
		p->t++;
		if (!last) {
			TRY(jparse_new(p, jeval_compare, n));
			(*n)->a = first;
			last = &(*n)->b;
		}
		TRY(jparse_new(p, NULL, last));
		(*last)->row = op;
		(*last)->flag = not;
		TRY(parse_sum(p, &(*last)->a));
		last = &(*last)->next;
	}
	return 0;
}

static int parse_not(struct jparse *p, struct jnode **n)
{
	if (!jparse_is_name(p, "not"))
		return parse_compare(p, n);
	p->t++;
	TRY(jparse_deeper(p));
	TRY(jparse_new(p, jeval_not, n));
	TRY(parse_not(p, &(*n)->a));
	p->depth--;
	return 0;
}

static int parse_logic(struct jparse *p, const char *word, jeval *eval,
		       parse_fn *operand, struct jnode **n)
{
	struct jnode *left;

	TRY(operand(p, n));
	while (jparse_is_name(p, word)) {
		left = *n;
		p->t++;
		TRY(jparse_new(p, eval, n));
		(*n)->a = left;
		TRY(operand(p, &(*n)->b));
	}
	return 0;
}

static int parse_and(struct jparse *p, struct jnode **n)
{
	return parse_logic(p, "and", jeval_and, parse_not, n);
}

int jparse_expr(struct jparse *p, int plain, struct jnode **n)
{
	struct jnode *value;

	TRY(jparse_deeper(p));
	TRY(parse_logic(p, "or", jeval_or, parse_and, n));
	while (!plain && jparse_is_name(p, "if")) {
		value = *n;
		p->t++;
		TRY(jparse_new(p, jeval_if, n));
		(*n)->b = value;
		TRY(parse_logic(p, "or", jeval_or, parse_and, &(*n)->a));
		if (jparse_is_name(p, "else")) {
			p->t++;
			TRY(jparse_expr(p, 0, &(*n)->c));
		}
	}
	p->depth--;
	return 0;
}
