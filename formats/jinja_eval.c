/* Expressions, run. */
#include "formats/jinja_parts.h"

int jeval_const(struct jrun *r, const struct jnode *n, struct jval *out)
{
	(void)r;
	*out = n->value;
	return 0;
}

/* A variable, else what is built in, else undefined. */
int jeval_name(struct jrun *r, const struct jnode *n, struct jval *out)
{
	const struct jval *v = jrun_find(r, n->value.text, n->value.n);
	const struct jrow *row;

	if (v) {
		*out = *v;
		return 0;
	}
	row = jinja_row(jinja_globals, n->value.text, n->value.n);
	*out = jinja_undefined(n->value.text, n->value.n);
	if (row)
		*out = (struct jval){ .kind = J_FUNCTION, .row = row };
	return 0;
}

static int list_of(struct jrun *r, enum jkind kind, const struct jnode *n,
		   struct jval *out)
{
	struct jval v;

	TRY(jinja_list(r, kind, 0, out));
	for (const struct jnode *e = n->a; e; e = e->next) {
		TRY(jrun_eval(r, e, &v));
		TRY(jinja_append(r, out, &v));
	}
	return 0;
}

int jeval_list(struct jrun *r, const struct jnode *n, struct jval *out)
{
	return list_of(r, J_LIST, n, out);
}

int jeval_tuple(struct jrun *r, const struct jnode *n, struct jval *out)
{
	return list_of(r, J_TUPLE, n, out);
}

int jeval_dict(struct jrun *r, const struct jnode *n, struct jval *out)
{
	struct jval key, v;

	TRY(jinja_dict(r, out));
	for (const struct jnode *e = n->a; e; e = e->next->next) {
		TRY(jrun_eval(r, e, &key));
		TRY(jrun_eval(r, e->next, &v));
		TRY(jinja_put(r, out->dict, &key, &v));
	}
	return 0;
}

int jeval_attr(struct jrun *r, const struct jnode *n, struct jval *out)
{
	struct jval of;

	TRY(jrun_eval(r, n->a, &of));
	return jinja_attr(r, &of, n->value.text, n->value.n, out);
}

int jeval_item(struct jrun *r, const struct jnode *n, struct jval *out)
{
	struct jval of, key;

	TRY(jrun_eval(r, n->a, &of));
	TRY(jrun_eval(r, n->b, &key));
	return jinja_item(r, &of, &key, out);
}

int jeval_slice(struct jrun *r, const struct jnode *n, struct jval *out)
{
	const struct jnode *at[3] = { n->b, n->c, n->d };
	struct jval of, bound[3];

	TRY(jrun_eval(r, n->a, &of));
	for (int i = 0; i < 3; i++) {
		bound[i] = (struct jval){ .kind = J_NONE };
		if (at[i])
			TRY(jrun_eval(r, at[i], &bound[i]));
	}
	return jinja_slice(r, &of, bound, out);
}

int jeval_not(struct jrun *r, const struct jnode *n, struct jval *out)
{
	TRY(jrun_eval(r, n->a, out));
	*out = jinja_bool(!jinja_true(out));
	return 0;
}

int jeval_and(struct jrun *r, const struct jnode *n, struct jval *out)
{
	TRY(jrun_eval(r, n->a, out));
	return jinja_true(out) ? jrun_eval(r, n->b, out) : 0;
}

int jeval_or(struct jrun *r, const struct jnode *n, struct jval *out)
{
	TRY(jrun_eval(r, n->a, out));
	return jinja_true(out) ? 0 : jrun_eval(r, n->b, out);
}

int jeval_if(struct jrun *r, const struct jnode *n, struct jval *out)
{
	TRY(jrun_eval(r, n->a, out));
	if (jinja_true(out))
		return jrun_eval(r, n->b, out);
	if (n->c)
		return jrun_eval(r, n->c, out);
	*out = jinja_undefined("", 0);
	return 0;
}

int jeval_unary(struct jrun *r, const struct jnode *n, struct jval *out)
{
	TRY(jrun_eval(r, n->a, out));
	if (!jinja_is_number(out))
		return jrun_fail(r, "bad operand type for unary %c: '%s'",
				 n->flag ? '-' : '+', jinja_kind(out));
	if (out->kind == J_REAL) {
		*out = jinja_real(n->flag ? -out->x : out->x);
		return 0;
	}
	if (out->i == INT64_MIN)
		return jrun_fail(r, "a number is too large");
	*out = jinja_int(n->flag ? -out->i : out->i);
	return 0;
}

int jeval_binary(struct jrun *r, const struct jnode *n, struct jval *out)
{
	const struct jop *op = n->row;
	struct jval a, b;

	TRY(jrun_eval(r, n->a, &a));
	TRY(jrun_eval(r, n->b, &b));
	r->line = n->line;
	return op->apply(r, &a, &b, out);
}

int jeval_join(struct jrun *r, const struct jnode *n, struct jval *out)
{
	struct jval v, text;

	*out = jinja_text("", 0);
	for (const struct jnode *e = n->a; e; e = e->next) {
		TRY(jrun_eval(r, e, &v));
		TRY(jinja_str(r, &v, &text));
		TRY(jinja_join(r, *out, text, out));
	}
	out->safe = 0;
	return 0;
}

int jeval_compare(struct jrun *r, const struct jnode *n, struct jval *out)
{
	struct jval a, b;

	TRY(jrun_eval(r, n->a, &a));
	for (const struct jnode *e = n->b; e; e = e->next) {
		const struct jop *op = e->row;

		TRY(jrun_eval(r, e->a, &b));
		r->line = e->line;
		TRY(jrun_step(r, 1));
		TRY(op->apply(r, &a, &b, out));
		if (e->flag)
			*out = jinja_bool(!out->i);
		if (!out->i)
			return 0;
		a = b;
	}
	return 0;
}

/* ---- calls ---- */

int jrun_args(struct jrun *r, const struct jnode *n, struct jlist *args,
	      struct jdict *named)
{
	struct jval list = { .kind = J_LIST, .list = args }, v;
	struct jlist *more;

	for (const struct jnode *e = n->b; e; e = e->next) {
		TRY(jrun_eval(r, e, &v));
		TRY(jinja_append(r, &list, &v));
	}
	if (n->d) {
		TRY(jrun_eval(r, n->d, &v));
		TRY(jinja_items(r, &v, &more));
		for (size_t i = 0; i < more->n; i++)
			TRY(jinja_append(r, &list, &more->at[i]));
	}
	for (const struct jnode *e = n->c; e; e = e->next) {
		TRY(jrun_eval(r, e->a, &v));
		if (jinja_find(r, named, &e->value))
			return jrun_fail(r, "argument '%.*s' is given twice",
					 (int)e->value.n, e->value.text);
		TRY(jinja_put(r, named, &e->value, &v));
	}
	if (!n->e)
		return 0;
	TRY(jrun_eval(r, n->e, &v));
	if (v.kind != J_DICT)
		return jrun_fail(r, "what stands behind ** is no dict");
	for (size_t i = 0; i < v.dict->n; i++)
		TRY(jinja_put(r, named, &v.dict->at[i].key,
			      &v.dict->at[i].value));
	return 0;
}

int jeval_call(struct jrun *r, const struct jnode *n, struct jval *out)
{
	struct jlist args = { 0 };
	struct jdict named = { 0 };
	struct jval f;

	TRY(jrun_eval(r, n->a, &f));
	TRY(jrun_args(r, n, &args, &named));
	r->line = n->line;
	return jrun_call(r, &f, &args, &named, out);
}

int jeval_filter(struct jrun *r, const struct jnode *n, struct jval *out)
{
	struct jlist args = { 0 };
	struct jdict named = { 0 };
	struct jval self;

	TRY(jrun_eval(r, n->a, &self));
	TRY(jrun_args(r, n, &args, &named));
	r->line = n->line;
	return jinja_call(r, n->row, &self, &args, &named, out);
}

int jeval_test(struct jrun *r, const struct jnode *n, struct jval *out)
{
	TRY(jeval_filter(r, n, out));
	if (n->flag)
		*out = jinja_bool(!jinja_true(out));
	return 0;
}
