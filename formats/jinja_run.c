/* Statements, run. */
#include "formats/jinja_parts.h"

#include <stdarg.h>
#include <stdio.h>

int jrun_fail(struct jrun *r, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return jinja_fail(r->line, "%s", text);
}

int jrun_step(struct jrun *r, size_t n)
{
	r->steps += n;
	if (r->steps > r->most)
		return jrun_fail(r, "it takes more than %zu steps", r->most);
	return 0;
}

static int deeper(struct jrun *r, unsigned line)
{
	r->line = line;
	TRY(jrun_step(r, 1));
	if (r->depth == JINJA_CALLS)
		return jrun_fail(r, "it runs more than %d calls deep",
				 JINJA_CALLS);
	r->depth++;
	return 0;
}

int jrun_eval(struct jrun *r, const struct jnode *n, struct jval *out)
{
	TRY(deeper(r, n->line));
	TRY(n->eval(r, n, out));
	r->depth--;
	return 0;
}

int jrun_body(struct jrun *r, const struct jnode *n)
{
	for (; n && r->go == GO; n = n->next) {
		TRY(deeper(r, n->line));
		TRY(n->exec(r, n));
		r->depth--;
	}
	return 0;
}

/* ---- names ---- */

static struct jname *find(const struct jscope *s, const char *name, size_t n)
{
	for (struct jname *v = s->first; v; v = v->next)
		if (v->n == n && !memcmp(v->name, name, n))
			return v;
	return NULL;
}

struct jval *jrun_find(struct jrun *r, const char *name, size_t n)
{
	for (const struct jscope *s = r->scope; s; s = s->up) {
		struct jname *v = find(s, name, n);

		if (v)
			return &v->value;
	}
	return NULL;
}

int jrun_bind(struct jrun *r, struct jscope *s, const struct jval *name,
	      const struct jval *v)
{
	struct jname *n = find(s, name->text, name->n);

	if (!n) {
		n = s->spare;
		if (n)
			s->spare = n->next;
		else
			TRY(jheap_get(r->h, &n, sizeof(*n)));
		n->name = name->text;
		n->n = name->n;
		n->next = s->first;
		s->first = n;
	}
	n->value = *v;
	return 0;
}

/* Forgets a scope's names. */
static void clear(struct jscope *s)
{
	while (s->first) {
		struct jname *n = s->first;

		s->first = n->next;
		n->next = s->spare;
		s->spare = n;
	}
}

static int enter(struct jrun *r)
{
	struct jscope *s;

	TRY(jheap_get(r->h, &s, sizeof(*s)));
	s->up = r->scope;
	r->scope = s;
	return 0;
}

static void leave(struct jrun *r)
{
	r->scope = r->scope->up;
}

/* A name, a namespace's attribute, or a tuple of such. */
static int assign(struct jrun *r, const struct jnode *target,
		  const struct jval *v)
{
	struct jlist *items;
	struct jval space;
	size_t i = 0, n = 0;

	if (target->eval == jeval_name)
		return jrun_bind(r, r->scope, &target->value, v);
	if (target->eval == jeval_attr) {
		TRY(jrun_eval(r, target->a, &space));
		if (space.kind != J_NAMESPACE)
			return jrun_fail(r, "'%.*s' is no namespace, whose "
					 "attribute could be set",
					 (int)target->a->value.n,
					 target->a->value.text);
		return jinja_put(r, space.dict, &target->value, v);
	}
	TRY(jinja_items(r, v, &items));
	for (const struct jnode *t = target->a; t; t = t->next)
		n++;
	if (n != items->n)
		return jrun_fail(r, "%zu values for %zu names", items->n, n);
	for (const struct jnode *t = target->a; t; t = t->next)
		TRY(assign(r, t, &items->at[i++]));
	return 0;
}

/* ---- statements ---- */

int jexec_data(struct jrun *r, const struct jnode *n)
{
	return jtext_add(r->h, r->out, n->value.text, n->value.n);
}

int jexec_print(struct jrun *r, const struct jnode *n)
{
	struct jval v;

	TRY(jrun_eval(r, n->a, &v));
	return jinja_print(r, r->out, &v);
}

int jexec_if(struct jrun *r, const struct jnode *n)
{
	struct jval v;

	for (; n; n = n->d) {
		if (n->a) {
			TRY(jrun_eval(r, n->a, &v));
			if (!jinja_true(&v))
				continue;
		}
		return jrun_body(r, n->b);
	}
	return 0;
}

/* Those of items for which the loop's condition holds. */
static int filter_items(struct jrun *r, const struct jnode *n,
			struct jlist **items)
{
	struct jval kept, yes;

	if (!n->e)
		return 0;
	TRY(jinja_list(r, J_LIST, 0, &kept));
	for (size_t i = 0; i < (*items)->n; i++) {
		TRY(enter(r));
		TRY(assign(r, n->a, &(*items)->at[i]));
		TRY(jrun_eval(r, n->e, &yes));
		leave(r);
		if (jinja_true(&yes))
			TRY(jinja_append(r, &kept, &(*items)->at[i]));
	}
	*items = kept.list;
	return 0;
}

int jexec_for(struct jrun *r, const struct jnode *n)
{
	struct jval v, loop = { .kind = J_LOOP }, name = jinja_string("loop");
	struct jlist *items;

	TRY(jrun_eval(r, n->b, &v));
	TRY(jinja_items(r, &v, &items));
	TRY(filter_items(r, n, &items));
	TRY(enter(r));
	if (!items->n) {
		TRY(jrun_body(r, n->d));
		leave(r);
		return 0;
	}
	TRY(jheap_get(r->h, &loop.loop, sizeof(*loop.loop)));
	loop.loop->items = items;
	loop.loop->depth = (size_t)r->loops++;
	for (size_t i = 0; i < items->n && r->go != BREAK; i++) {
		clear(r->scope); /* each begins anew */
		TRY(jrun_step(r, 1));
		loop.loop->at = i;
		r->go = GO;
		TRY(jrun_bind(r, r->scope, &name, &loop));
		TRY(assign(r, n->a, &items->at[i]));
		TRY(jrun_body(r, n->c));
	}
	r->go = GO;
	r->loops--;
	leave(r);
	return 0;
}

int jexec_break(struct jrun *r, const struct jnode *n)
{
	(void)n;
	r->go = BREAK;
	return 0;
}

int jexec_continue(struct jrun *r, const struct jnode *n)
{
	(void)n;
	r->go = CONTINUE;
	return 0;
}

int jexec_set(struct jrun *r, const struct jnode *n)
{
	struct jval v;

	TRY(jrun_eval(r, n->b, &v));
	return assign(r, n->a, &v);
}

/* What body prints, through the filters. */
static int capture(struct jrun *r, const struct jnode *body,
		   const struct jnode *filters, struct jval *out)
{
	struct jtext text = { 0 }, *before = r->out;
	struct jval name = jinja_text("", 0);

	TRY(enter(r));
	r->out = &text;
	TRY(jrun_body(r, body));
	r->out = before;
	*out = jinja_taken(&text);
	if (filters && r->go == GO) {
		TRY(jrun_bind(r, r->scope, &name, out));
		TRY(jrun_eval(r, filters, out));
	}
	leave(r);
	return 0;
}

int jexec_set_block(struct jrun *r, const struct jnode *n)
{
	struct jval v;

	TRY(capture(r, n->c, n->b, &v));
	return r->go == GO ? assign(r, n->a, &v) : 0;
}

int jexec_filter(struct jrun *r, const struct jnode *n)
{
	struct jval v;

	TRY(capture(r, n->c, n->b, &v));
	return r->go == GO ? jinja_print(r, r->out, &v) : 0;
}

int jexec_with(struct jrun *r, const struct jnode *n)
{
	struct jscope *outer = r->scope, *inner;
	struct jval v;

	TRY(enter(r));
	inner = r->scope;
	for (const struct jnode *w = n->a; w; w = w->next) {
		r->scope = outer;
		TRY(jrun_eval(r, w->b, &v));
		r->scope = inner;
		TRY(assign(r, w->a, &v));
	}
	TRY(jrun_body(r, n->c));
	leave(r);
	return 0;
}

int jexec_scope(struct jrun *r, const struct jnode *n)
{
	TRY(enter(r));
	TRY(jrun_body(r, n->c));
	leave(r);
	return 0;
}
