/* Calls: arguments to parameters, of what is built in and of macros. */
#include "formats/jinja_parts.h"

#include <stdlib.h>

const struct jrow *jinja_row(const struct jrow *rows, const char *name,
			     size_t n)
{
	for (; rows->name; rows++)
		if (strlen(rows->name) == n && !memcmp(rows->name, name, n))
			return rows;
	return NULL;
}

const struct jrow *jinja_filter(const char *name, size_t n)
{
	const struct jrow *row = jinja_row(jinja_text_filters, name, n);

	return row ? row : jinja_row(jinja_list_filters, name, n);
}

/* The next word of params; *optional: it ends with '?'. */
static size_t next_param(const char **params, const char **name, int *optional)
{
	size_t n;

	*params += strspn(*params, " ");
	*name = *params;
	n = strcspn(*params, " ");
	*params += n;
	*optional = n && (*name)[n - 1] == '?';
	return n - (size_t)*optional;
}

static int bind(struct jcall *c, const struct jrow *row)
{
	const char *at = row->params, *name;
	size_t i = 0, n, used = 0;
	int optional;

	while ((n = next_param(&at, &name, &optional))) {
		struct jval key = jinja_text(name, n);
		const struct jval *v = i < c->args->n ? &c->args->at[i] :
				       jinja_find(c->r, c->named, &key);

		used += i >= c->args->n && v;
		c->has[i] = v != NULL;
		if (v)
			c->arg[i] = *v;
		else if (!optional)
			return jrun_fail(c->r, "%s wants '%.*s'", row->name,
					 (int)n, name);
		i++;
	}
	if (c->args->n > i)
		return jrun_fail(c->r, "%s takes %zu arguments at most",
				 row->name, i);
	if (c->named->n > used)
		return jrun_fail(c->r, "%s was given an argument by a name "
				 "that it has not, or twice", row->name);
	return 0;
}

int jinja_call(struct jrun *r, const struct jrow *row, const struct jval *self,
	       const struct jlist *args, const struct jdict *named,
	       struct jval *out)
{
	struct jcall c = { .r = r, .self = *self, .args = args,
			   .named = named };

	TRY(jrun_step(r, 1));
	if (*row->params != '*')
		TRY(bind(&c, row));
	return row->fn(&c, out);
}

int jrun_call(struct jrun *r, const struct jval *f, const struct jlist *args,
	      const struct jdict *named, struct jval *out)
{
	struct jval none = { 0 };

	switch (f->kind) {
	case J_FUNCTION:
		return jinja_call(r, f->row, &none, args, named, out);
	case J_METHOD:
		return jinja_call(r, f->bound->row, &f->bound->self, args,
				  named, out);
	case J_MACRO:
		return jrun_macro(r, f->macro, args, named, out);
	case J_UNDEFINED:
		return jrun_fail(r, "'%.*s' is undefined", (int)f->n,
				 f->text ? f->text : "");
	default:
		return jrun_fail(r, "'%s' object is not callable",
				 jinja_kind(f));
	}
}

/* ---- macros ---- */

static int bind_special(struct jrun *r, const char *name, struct jval v)
{
	struct jval key = jinja_string(name);

	return jrun_bind(r, r->scope, &key, &v);
}

/* Takes a value out of a dict; 0: there is none of that key. */
static int take(struct jrun *r, struct jdict *d, const struct jval *key,
		struct jval *out)
{
	for (size_t i = 0; i < d->n; i++) {
		if (!jinja_equal(r, &d->at[i].key, key))
			continue;
		*out = d->at[i].value;
		d->n--;
		memmove(&d->at[i], &d->at[i + 1],
			(d->n - i) * sizeof(*d->at));
		return 1;
	}
	r->steps += d->n;
	return 0;
}

/* What no parameter took: varargs, kwargs, caller; or it is too much. */
static int bind_rest(struct jrun *r, const struct jnode *n,
		     const struct jlist *args, size_t taken,
		     struct jdict *named)
{
	struct jval caller = jinja_string("caller"), rest;

	if (n->flag & JUSES_CALLER) {
		if (!take(r, named, &caller, &rest))
			rest = jinja_undefined("caller", 6);
		TRY(bind_special(r, "caller", rest));
	}
	if (n->flag & JUSES_KWARGS) {
		rest = (struct jval){ .kind = J_DICT, .dict = named };
		TRY(bind_special(r, "kwargs", rest));
	} else if (named->n) {
		return jrun_fail(r, "macro '%.*s' takes no keyword argument "
				 "'%.*s'", (int)n->value.n, n->value.text,
				 (int)named->at[0].key.n,
				 named->at[0].key.text);
	}
	if (n->flag & JUSES_VARARGS) {
		TRY(jinja_list(r, J_TUPLE, 0, &rest));
		for (size_t i = taken; i < args->n; i++)
			TRY(jinja_append(r, &rest, &args->at[i]));
		TRY(bind_special(r, "varargs", rest));
	} else if (args->n > taken) {
		return jrun_fail(r, "macro '%.*s' takes not more than %zu "
				 "argument(s)", (int)n->value.n, n->value.text,
				 taken);
	}
	return 0;
}

/* named is used up. */
static int bind_params(struct jrun *r, const struct jnode *n,
		       const struct jlist *args, struct jdict *named)
{
	size_t i = 0;
	struct jval v;

	for (const struct jnode *p = n->a; p; p = p->next, i++) {
		if (i < args->n) {
			v = args->at[i];
		} else if (take(r, named, &p->value, &v)) {
			;
		} else if (p->b) {
			TRY(jrun_eval(r, p->b, &v));
		} else {
			v = jinja_undefined(p->value.text, p->value.n);
		}
		TRY(jrun_bind(r, r->scope, &p->value, &v));
	}
	return bind_rest(r, n, args, i, named);
}

/* A macro sees what was around it where it was defined. */
int jrun_macro(struct jrun *r, const struct jmacro *m,
	       const struct jlist *args, const struct jdict *named,
	       struct jval *out)
{
	struct jscope *before = r->scope;
	struct jtext text = { 0 }, *to = r->out;
	struct jval mine;

	TRY(jinja_dict(r, &mine));
	for (size_t i = 0; i < named->n; i++)
		TRY(jinja_put(r, mine.dict, &named->at[i].key,
			      &named->at[i].value));
	TRY(jheap_get(r->h, &r->scope, sizeof(*r->scope)));
	r->scope->up = m->scope;
	TRY(bind_params(r, m->node, args, mine.dict));
	r->out = &text;
	TRY(jrun_body(r, m->node->c));
	r->out = to;
	r->scope = before;
	*out = jinja_taken(&text);
	return 0;
}

static int new_macro(struct jrun *r, const struct jnode *n, struct jval *out)
{
	*out = (struct jval){ .kind = J_MACRO };
	TRY(jheap_get(r->h, &out->macro, sizeof(*out->macro)));
	*out->macro = (struct jmacro){ n, r->scope };
	return 0;
}

int jexec_macro(struct jrun *r, const struct jnode *n)
{
	struct jval v;

	TRY(new_macro(r, n, &v));
	return jrun_bind(r, r->scope, &n->value, &v);
}

int jexec_call(struct jrun *r, const struct jnode *n)
{
	struct jval f, caller, name = jinja_string("caller"), v;
	struct jlist args = { 0 };
	struct jdict named = { 0 };

	TRY(jrun_eval(r, n->b->a, &f));
	TRY(jrun_args(r, n->b, &args, &named));
	TRY(new_macro(r, n, &caller));
	TRY(jinja_put(r, &named, &name, &caller));
	TRY(jrun_call(r, &f, &args, &named, &v));
	return jinja_print(r, r->out, &v);
}
