/* What all parsing stands on; tuples and arguments. */
#include "formats/jinja_parts.h"

#include <stdarg.h>
#include <stdio.h>

int jinja_fail(unsigned line, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(E_DATA, "template: line %u: %s", line, text);
}

int jparse_node(struct jparse *p, struct jnode **n)
{
	TRY(jheap_get(p->h, n, sizeof(**n)));
	(*n)->line = p->t->line;
	return 0;
}

int jparse_is(const struct jparse *p, const char *op)
{
	return p->t->kind == JT_OP && p->t->n == strlen(op) &&
	       !memcmp(p->t->text, op, p->t->n);
}

int jparse_is_name(const struct jparse *p, const char *name)
{
	return p->t->kind == JT_NAME && p->t->n == strlen(name) &&
	       !memcmp(p->t->text, name, p->t->n);
}

int jparse_unexpected(const struct jparse *p, const char *wanted)
{
	static const char *const kinds[] = {
		"the end of the template", "text", "a statement", "'%}'",
		"'{{'", "'}}'",
	};

	if (p->t->kind <= JT_PRINT_END)
		return jinja_fail(p->t->line, "%s where %s should be",
				  kinds[p->t->kind], wanted);
	return jinja_fail(p->t->line, "'%.*s' where %s should be",
			  (int)(p->t->n < 60 ? p->t->n : 60), p->t->text,
			  wanted);
}

int jparse_want(struct jparse *p, const char *op)
{
	char text[16];

	if (!jparse_is(p, op)) {
		snprintf(text, sizeof(text), "'%s'", op);
		return jparse_unexpected(p, text);
	}
	p->t++;
	return 0;
}

int jparse_deeper(struct jparse *p)
{
	if (p->depth == JINJA_DEPTH)
		return jinja_fail(p->t->line, "it is nested more than %d deep",
				  JINJA_DEPTH);
	p->depth++;
	return 0;
}

int jparse_new(struct jparse *p, jeval *eval, struct jnode **n)
{
	TRY(jparse_node(p, n));
	(*n)->eval = eval;
	return 0;
}

int jparse_tuple(struct jparse *p, int plain, struct jnode **n)
{
	struct jnode *first, **last;

	TRY(jparse_expr(p, plain, n));
	if (!jparse_is(p, ","))
		return 0;
	first = *n;
	TRY(jparse_node(p, n));
	(*n)->eval = jeval_tuple;
	(*n)->a = first;
	last = &first->next;
	while (jparse_is(p, ",")) {
		p->t++;
		if (p->t->kind == JT_BLOCK_END || p->t->kind == JT_PRINT_END ||
		    jparse_is(p, ")"))
			break;
		TRY(jparse_expr(p, plain, last));
		last = &(*last)->next;
	}
	return 0;
}

/* Arguments in parentheses go to call->b, named ones (value holds the name)
 * to call->c, *x to call->d, **x to call->e. */
int jparse_args(struct jparse *p, struct jnode *call)
{
	struct jnode **last = &call->b, **named = &call->c;

	TRY(jparse_want(p, "("));
	while (!jparse_is(p, ")")) {
		if (jparse_is(p, "*") || jparse_is(p, "**")) {
			struct jnode **all = p->t->n == 1 ? &call->d : &call->e;

			p->t++;
			if (*all || call->e)
				return jparse_unexpected(p, "')'");
			TRY(jparse_expr(p, 0, all));
		} else if (p->t->kind == JT_NAME && p->t[1].kind == JT_OP &&
			   p->t[1].n == 1 && *p->t[1].text == '=') {
			struct jval name = jinja_text(p->t->text, p->t->n);

			p->t += 2;
			TRY(jparse_node(p, named));
			(*named)->value = name;
			TRY(jparse_expr(p, 0, &(*named)->a));
			named = &(*named)->next;
		} else {
			if (call->c || call->d || call->e)
				return jparse_unexpected(p, "a named argument");
			TRY(jparse_expr(p, 0, last));
			last = &(*last)->next;
		}
		if (!jparse_is(p, ")"))
			TRY(jparse_want(p, ","));
	}
	p->t++;
	return 0;
}
