/* Statements. */
#include "formats/jinja_parts.h"

static int want_end(struct jparse *p)
{
	if (p->t->kind != JT_BLOCK_END)
		return jparse_unexpected(p, "'%}'");
	p->t++;
	return 0;
}

static int new_statement(struct jparse *p, jexec *exec, struct jnode **n)
{
	TRY(jparse_node(p, n));
	(*n)->exec = exec;
	return 0;
}

/* The rest of a tag, and what stands up to one of the names in ends. */
static int parse_block(struct jparse *p, const char *ends, struct jnode **n)
{
	if (jparse_is(p, ":"))
		p->t++;
	TRY(want_end(p));
	return jparse_body(p, ends, n);
}

/* The same in a function of its own: no loop around it can be left. */
static int parse_function(struct jparse *p, const char *end, struct jnode **n)
{
	int loops = p->loops;

	p->loops = 0;
	TRY(parse_block(p, end, n));
	p->loops = loops;
	p->t++;
	return 0;
}

static int parse_target(struct jparse *p, int spaces, struct jnode **n);

/* A name, names in parentheses, or (spaces) a namespace's attribute. */
static int parse_one_target(struct jparse *p, int spaces, struct jnode **n)
{
	struct jnode *of;

	if (jparse_is(p, "(")) {
		TRY(jparse_deeper(p));
		p->t++;
		TRY(parse_target(p, spaces, n));
		p->depth--;
		return jparse_want(p, ")");
	}
	if (p->loops && jparse_is_name(p, "loop"))
		return jinja_fail(p->t->line, "'loop' cannot be assigned to");
	TRY(jparse_name(p, n));
	if (!spaces || !jparse_is(p, "."))
		return 0;
	p->t++;
	of = *n;
	TRY(jparse_name(p, n));
	(*n)->eval = jeval_attr;
	(*n)->a = of;
	return 0;
}

static int parse_target(struct jparse *p, int spaces, struct jnode **n)
{
	struct jnode *first, **last;

	TRY(parse_one_target(p, spaces, n));
	if (!jparse_is(p, ","))
		return 0;
	first = *n;
	TRY(jparse_node(p, n));
	(*n)->eval = jeval_tuple;
	(*n)->a = first;
	last = &first->next;
	while (jparse_is(p, ",")) {
		p->t++;
		if (p->t->kind != JT_NAME && !jparse_is(p, "("))
			break;
		if (jparse_is_name(p, "in"))
			break;
		TRY(parse_one_target(p, spaces, last));
		last = &(*last)->next;
	}
	return 0;
}

/* a: target, b: what is gone through, c: body, d: else, e: if */
static int parse_for(struct jparse *p, struct jnode **n)
{
	int has_else;

	TRY(new_statement(p, jexec_for, n));
	p->loops++;
	TRY(parse_target(p, 0, &(*n)->a));
	if (!jparse_is_name(p, "in"))
		return jparse_unexpected(p, "'in'");
	p->t++;
	TRY(jparse_tuple(p, 1, &(*n)->b));
	if (jparse_is_name(p, "if")) {
		p->t++;
		TRY(jparse_expr(p, 0, &(*n)->e));
	}
	if (jparse_is_name(p, "recursive"))
		return jinja_fail(p->t->line, "'recursive' is not supported");
	TRY(parse_block(p, "endfor else", &(*n)->c));
	p->loops--;
	has_else = jparse_is_name(p, "else");
	p->t++;
	if (!has_else)
		return 0;
	TRY(parse_block(p, "endfor", &(*n)->d));
	p->t++;
	return 0;
}

/* a: condition (else has none), b: body, d: the next branch */
static int parse_if(struct jparse *p, struct jnode **n)
{
	struct jnode **branch = n;
	int has_else = 0;

	for (;;) {
		TRY(new_statement(p, jexec_if, branch));
		if (!has_else)
			TRY(jparse_tuple(p, 1, &(*branch)->a));
		TRY(parse_block(p, has_else ? "endif" : "elif else endif",
				&(*branch)->b));
		if (jparse_is_name(p, "endif"))
			break;
		has_else = jparse_is_name(p, "else");
		p->t++;
		branch = &(*branch)->d;
	}
	p->t++;
	return 0;
}

/* Filters over what a block holds, which is bound to the name "". */
static int parse_block_filters(struct jparse *p, struct jnode **n)
{
	TRY(jparse_node(p, n));
	(*n)->eval = jeval_name;
	(*n)->value = jinja_text("", 0);
	for (;;) {
		TRY(jparse_filter(p, n));
		if (!jparse_is(p, "|"))
			return 0;
		p->t++;
	}
}

/* a: target, b: value or filters, c: body */
static int parse_set(struct jparse *p, struct jnode **n)
{
	TRY(new_statement(p, jexec_set, n));
	TRY(parse_target(p, 1, &(*n)->a));
	if (jparse_is(p, "=")) {
		p->t++;
		return jparse_tuple(p, 0, &(*n)->b);
	}
	(*n)->exec = jexec_set_block;
	if (jparse_is(p, "|")) {
		p->t++;
		TRY(parse_block_filters(p, &(*n)->b));
	}
	TRY(parse_block(p, "endset", &(*n)->c));
	p->t++;
	return 0;
}

/* (a, b=1): names, each with its default in b. */
static int parse_params(struct jparse *p, struct jnode **n)
{
	int defaults = 0;

	TRY(jparse_want(p, "("));
	while (!jparse_is(p, ")")) {
		TRY(jparse_name(p, n));
		if (jparse_is(p, "=")) {
			p->t++;
			TRY(jparse_expr(p, 0, &(*n)->b));
			defaults = 1;
		} else if (defaults) {
			return jparse_unexpected(p, "a default");
		}
		n = &(*n)->next;
		if (!jparse_is(p, ")"))
			TRY(jparse_want(p, ","));
	}
	p->t++;
	return 0;
}

/* value: name, a: parameters, c: body */
static int parse_macro(struct jparse *p, struct jnode **n)
{
	int uses = p->uses;

	TRY(new_statement(p, jexec_macro, n));
	if (p->t->kind != JT_NAME)
		return jparse_unexpected(p, "a name");
	(*n)->value = jinja_text(p->t->text, p->t->n);
	p->t++;
	TRY(parse_params(p, &(*n)->a));
	p->uses = 0;
	TRY(parse_function(p, "endmacro", &(*n)->c));
	(*n)->flag = p->uses;
	p->uses |= uses;
	return 0;
}

/* a: parameters of caller, b: the call, c: body */
static int parse_call(struct jparse *p, struct jnode **n)
{
	TRY(new_statement(p, jexec_call, n));
	if (jparse_is(p, "("))
		TRY(parse_params(p, &(*n)->a));
	TRY(jparse_expr(p, 0, &(*n)->b));
	if ((*n)->b->eval != jeval_call)
		return jinja_fail((*n)->line, "'call' wants a call");
	return parse_function(p, "endcall", &(*n)->c);
}

static int parse_filter(struct jparse *p, struct jnode **n)
{
	TRY(new_statement(p, jexec_filter, n));
	TRY(parse_block_filters(p, &(*n)->b));
	TRY(parse_block(p, "endfilter", &(*n)->c));
	p->t++;
	return 0;
}

/* a: nodes with a target in a and a value in b; c: body */
static int parse_with(struct jparse *p, struct jnode **n)
{
	struct jnode **last;

	TRY(new_statement(p, jexec_with, n));
	last = &(*n)->a;
	while (p->t->kind == JT_NAME) {
		TRY(jparse_node(p, last));
		TRY(parse_one_target(p, 0, &(*last)->a));
		TRY(jparse_want(p, "="));
		TRY(jparse_expr(p, 0, &(*last)->b));
		last = &(*last)->next;
		if (jparse_is(p, ","))
			p->t++;
	}
	TRY(parse_block(p, "endwith", &(*n)->c));
	p->t++;
	return 0;
}

/* Marks what an assistant says: no more than a scope here. */
static int parse_generation(struct jparse *p, struct jnode **n)
{
	TRY(new_statement(p, jexec_scope, n));
	return parse_function(p, "endgeneration", &(*n)->c);
}

static int parse_leave(struct jparse *p, struct jnode **n, jexec *exec)
{
	if (!p->loops)
		return jinja_fail(p->t->line, "'break' or 'continue' outside "
				  "of a loop");
	return new_statement(p, exec, n);
}

static int parse_break(struct jparse *p, struct jnode **n)
{
	return parse_leave(p, n, jexec_break);
}

static int parse_continue(struct jparse *p, struct jnode **n)
{
	return parse_leave(p, n, jexec_continue);
}

static const struct {
	const char *name;
	int (*parse)(struct jparse *p, struct jnode **n);
} statements[] = {
	{ "for", parse_for }, { "if", parse_if }, { "set", parse_set },
	{ "macro", parse_macro }, { "call", parse_call },
	{ "filter", parse_filter }, { "with", parse_with },
	{ "generation", parse_generation }, { "break", parse_break },
	{ "continue", parse_continue },
};

static int parse_statement(struct jparse *p, struct jnode **n)
{
	if (p->t->kind != JT_NAME)
		return jparse_unexpected(p, "a statement");
	for (size_t i = 0; i < sizeof(statements) / sizeof(*statements); i++)
		if (jparse_is_name(p, statements[i].name)) {
			p->t++;
			return statements[i].parse(p, n);
		}
	if (!strncmp(p->t->text, "end", 3) || !strncmp(p->t->text, "el", 2))
		return jinja_fail(p->t->line, "unexpected '%.*s'",
				  (int)p->t->n, p->t->text);
	return jinja_fail(p->t->line, "'%.*s' is not supported", (int)p->t->n,
			  p->t->text);
}

static int is_one_of(const struct jtoken *t, const char *names)
{
	size_t n;

	for (; *names; names += n + (names[n] == ' ')) {
		n = strcspn(names, " ");
		if (t->kind == JT_NAME && t->n == n &&
		    !memcmp(t->text, names, n))
			return 1;
	}
	return 0;
}

int jparse_body(struct jparse *p, const char *ends, struct jnode **n)
{
	TRY(jparse_deeper(p));
	for (*n = NULL; p->t->kind != JT_END; n = &(*n)->next) {
		if (p->t->kind == JT_DATA) {
			TRY(new_statement(p, jexec_data, n));
			(*n)->value = jinja_text(p->t->text, p->t->n);
			p->t++;
		} else if (p->t->kind == JT_PRINT) {
			p->t++;
			TRY(new_statement(p, jexec_print, n));
			TRY(jparse_tuple(p, 0, &(*n)->a));
			if (p->t->kind != JT_PRINT_END)
				return jparse_unexpected(p, "'}}'");
			p->t++;
		} else {
			p->t++; /* JT_BLOCK */
			if (is_one_of(p->t, ends))
				break;
			TRY(parse_statement(p, n));
			TRY(want_end(p));
		}
	}
	p->depth--;
	if (p->t->kind == JT_END && *ends)
		return jinja_fail(p->t->line, "it ends before '%.*s'",
				  (int)strcspn(ends, " "), ends);
	return 0;
}
