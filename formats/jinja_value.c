/* Values: made, compared, gone through. */
#include "formats/jinja_parts.h"

#include "formats/unicode.h"

#include <stdlib.h>

struct jval jinja_bool(int yes)
{
	return (struct jval){ .kind = J_BOOL, .i = !!yes };
}

struct jval jinja_int(int64_t i)
{
	return (struct jval){ .kind = J_INT, .i = i };
}

struct jval jinja_real(double x)
{
	return (struct jval){ .kind = J_REAL, .x = x };
}

struct jval jinja_text(const char *text, size_t n)
{
	return (struct jval){ .kind = J_TEXT, .text = text ? text : "",
			      .n = n };
}

struct jval jinja_string(const char *text)
{
	return jinja_text(text, strlen(text));
}

struct jval jinja_taken(const struct jtext *t)
{
	return jinja_text(t->at, t->n);
}

struct jval jinja_undefined(const char *name, size_t n)
{
	return (struct jval){ .kind = J_UNDEFINED, .text = name, .n = n };
}

int jinja_list(struct jrun *r, enum jkind kind, size_t n, struct jval *out)
{
	*out = (struct jval){ .kind = kind };
	TRY(jheap_get(r->h, &out->list, sizeof(*out->list)));
	return jheap_grow(r->h, &out->list->at, n, &out->list->room,
			  sizeof(struct jval));
}

int jinja_append(struct jrun *r, struct jval *list, const struct jval *v)
{
	struct jlist *l = list->list;

	TRY(jheap_grow(r->h, &l->at, l->n + 1, &l->room, sizeof(*l->at)));
	l->at[l->n++] = *v;
	return jrun_step(r, 1);
}

int jinja_dict(struct jrun *r, struct jval *out)
{
	*out = (struct jval){ .kind = J_DICT };
	return jheap_get(r->h, &out->dict, sizeof(*out->dict));
}

struct jval *jinja_find(struct jrun *r, const struct jdict *d,
			const struct jval *key)
{
	r->steps += d->n / 8;
	for (size_t i = 0; i < d->n; i++)
		if (jinja_equal(r, &d->at[i].key, key))
			return &d->at[i].value;
	return NULL;
}

int jinja_hashable(struct jrun *r, const struct jval *v)
{
	int err = 0;

	if (v->kind == J_LIST || v->kind == J_DICT)
		return jrun_fail(r, "unhashable type: '%s'", jinja_kind(v));
	if (v->kind != J_TUPLE)
		return 0;
	if (r->depth >= JINJA_CALLS)
		return jrun_fail(r, "a value is nested too deeply");
	r->depth++;
	for (size_t i = 0; i < v->list->n && !err; i++)
		err = jinja_hashable(r, &v->list->at[i]);
	r->depth--;
	return err ? err : jrun_step(r, v->list->n);
}

int jinja_put(struct jrun *r, struct jdict *d, const struct jval *key,
	      const struct jval *v)
{
	struct jval *old = jinja_find(r, d, key);

	TRY(jinja_hashable(r, key));
	if (key->kind > J_TUPLE)
		return jrun_fail(r, "a key of type '%s' is not supported",
				 jinja_kind(key));
	if (old) {
		*old = *v;
		return 0;
	}
	TRY(jheap_grow(r->h, &d->at, d->n + 1, &d->room, sizeof(*d->at)));
	d->at[d->n].key = *key;
	d->at[d->n++].value = *v;
	return jrun_step(r, 1);
}

static int from_object(struct jrun *r, json_t *json, struct jval *out)
{
	const char *key;
	json_t *member;
	size_t i = 0;

	TRY(jinja_dict(r, out));
	TRY(jheap_grow(r->h, &out->dict->at, json_object_size(json),
		       &out->dict->room, sizeof(*out->dict->at)));
	json_object_foreach(json, key, member) {
		struct jpair *p = &out->dict->at[i++];

		p->key = jinja_string(key);
		TRY(jinja_from_json(r, member, &p->value));
	}
	out->dict->n = i;
	return 0;
}

/* Texts stay where they are. */
int jinja_from_json(struct jrun *r, json_t *json, struct jval *out)
{
	json_t *member;
	struct jval v;
	size_t i;

	if (json_is_string(json)) {
		*out = jinja_text(json_string_value(json),
				  json_string_length(json));
	} else if (json_is_object(json)) {
		return from_object(r, json, out);
	} else if (json_is_array(json)) {
		TRY(jinja_list(r, J_LIST, json_array_size(json), out));
		json_array_foreach(json, i, member) {
			TRY(jinja_from_json(r, member, &v));
			out->list->at[out->list->n++] = v;
		}
	} else if (json_is_integer(json)) {
		*out = jinja_int(json_integer_value(json));
	} else if (json_is_real(json)) {
		*out = jinja_real(json_real_value(json));
	} else if (json_is_boolean(json)) {
		*out = jinja_bool(json_is_true(json));
	} else {
		*out = (struct jval){ .kind = J_NONE };
	}
	return 0;
}

int jinja_is(const struct jval *v, const char *text)
{
	return v->kind == J_TEXT && v->n == strlen(text) &&
	       !memcmp(v->text, text, v->n);
}

int jinja_is_sequence(const struct jval *v)
{
	return v->kind >= J_LIST && v->kind <= J_VIEW;
}

int jinja_is_number(const struct jval *v)
{
	return v->kind == J_BOOL || v->kind == J_INT || v->kind == J_REAL;
}

const char *jinja_kind(const struct jval *v)
{
	static const char *const names[] = {
		"Undefined", "NoneType", "bool", "int", "float", "str", "list",
		"tuple", "range", "dict view", "generator", "dict",
		"namespace", "LoopContext", "Macro", "method", "function",
	};

	return names[v->kind];
}

int jinja_true(const struct jval *v)
{
	switch (v->kind) {
	case J_UNDEFINED:
	case J_NONE:
		return 0;
	case J_BOOL:
	case J_INT:
		return v->i != 0;
	case J_REAL:
		return v->x != 0;
	case J_TEXT:
		return v->n != 0;
	case J_LIST:
	case J_TUPLE:
	case J_RANGE:
	case J_VIEW:
		return v->list->n != 0;
	case J_DICT:
		return v->dict->n != 0;
	default:
		return 1;
	}
}

static double number(const struct jval *v)
{
	return v->kind == J_REAL ? v->x : (double)v->i;
}

static int equal_dicts(struct jrun *r, const struct jdict *a,
		       const struct jdict *b)
{
	for (size_t i = 0; i < a->n && r->steps <= r->most; i++) {
		const struct jval *v = jinja_find(r, b, &a->at[i].key);

		if (!v || !jinja_equal(r, &a->at[i].value, v))
			return 0;
	}
	return a->n == b->n;
}

static int equal_lists(struct jrun *r, const struct jlist *a,
		       const struct jlist *b)
{
	if (a->n != b->n)
		return 0;
	for (size_t i = 0; i < a->n; i++)
		if (!jinja_equal(r, &a->at[i], &b->at[i]))
			return 0;
	return 1;
}

int jinja_equal(struct jrun *r, const struct jval *a, const struct jval *b)
{
	int equal;

	if (jinja_is_number(a) && jinja_is_number(b))
		return a->kind != J_REAL && b->kind != J_REAL ? a->i == b->i :
		       number(a) == number(b);
	if (a->kind != b->kind)
		return 0;
	if (a->kind == J_TEXT)
		return a->n == b->n && !memcmp(a->text, b->text, a->n);
	if (a->kind <= J_NONE || a->list == b->list)
		return 1;
	if (a->kind > J_RANGE && a->kind != J_DICT)
		return 0;
	r->steps++;
	if (r->depth >= JINJA_CALLS)
		r->steps = r->most + 1;
	if (r->steps > r->most)
		return 0;
	r->depth++;
	equal = a->kind == J_DICT ? equal_dicts(r, a->dict, b->dict) :
		equal_lists(r, a->list, b->list);
	r->depth--;
	return equal;
}

static int order_lists(struct jrun *r, const struct jlist *a,
		       const struct jlist *b, int *order)
{
	size_t i = 0;

	while (i < a->n && i < b->n && jinja_equal(r, &a->at[i], &b->at[i]))
		i++;
	TRY(jrun_step(r, i));
	if (i < a->n && i < b->n) {
		if (r->depth >= JINJA_CALLS)
			return jrun_fail(r, "a value is nested too deeply");
		r->depth++;
		TRY(jinja_order(r, &a->at[i], &b->at[i], order));
		r->depth--;
		return 0;
	}
	*order = (a->n > b->n) - (a->n < b->n);
	return 0;
}

int jinja_order(struct jrun *r, const struct jval *a, const struct jval *b,
		int *order)
{
	if (jinja_is_number(a) && jinja_is_number(b)) {
		if (a->kind != J_REAL && b->kind != J_REAL)
			*order = (a->i > b->i) - (a->i < b->i);
		else
			*order = (number(a) > number(b)) -
				 (number(a) < number(b));
		return 0;
	}
	if (a->kind == J_TEXT && b->kind == J_TEXT) {
		int c = memcmp(a->text, b->text, a->n < b->n ? a->n : b->n);

		*order = c ? (c > 0) - (c < 0) : (a->n > b->n) - (a->n < b->n);
		return 0;
	}
	if (a->kind == b->kind && (a->kind == J_LIST || a->kind == J_TUPLE))
		return order_lists(r, a->list, b->list, order);
	return jrun_fail(r, "'%s' and '%s' have no order", jinja_kind(a),
			 jinja_kind(b));
}

static int characters(struct jrun *r, const struct jval *v, struct jval *out)
{
	uint32_t c;

	TRY(jinja_list(r, J_LIST, 0, out));
	for (size_t i = 0, k; i < v->n; i += k) {
		struct jval one;

		k = unicode_get(v->text + i, v->n - i, &c);
		one = jinja_text(v->text + i, k);
		TRY(jinja_append(r, out, &one));
	}
	return 0;
}

int jinja_items(struct jrun *r, const struct jval *v, struct jlist **items)
{
	struct jval made = { 0 };

	if (jinja_is_sequence(v)) {
		*items = v->list;
		return 0;
	}
	if (v->kind == J_TEXT) {
		TRY(characters(r, v, &made));
	} else if (v->kind == J_DICT) {
		TRY(jinja_list(r, J_LIST, v->dict->n, &made));
		for (size_t i = 0; i < v->dict->n; i++)
			TRY(jinja_append(r, &made, &v->dict->at[i].key));
	} else if (v->kind == J_ITER) {
		TRY(jinja_list(r, J_LIST, 0, &made));
		made.list->n = made.list->room = v->list->n - v->list->taken;
		if (made.list->n)
			made.list->at = v->list->at + v->list->taken;
		v->list->taken = v->list->n;
	} else if (v->kind == J_UNDEFINED) {
		TRY(jinja_list(r, J_LIST, 0, &made));
	} else {
		return jrun_fail(r, "'%s' object is not iterable",
				 jinja_kind(v));
	}
	*items = made.list;
	return 0;
}

int jinja_length(struct jrun *r, const struct jval *v, size_t *n)
{
	if (jinja_is_sequence(v))
		*n = v->list->n;
	else if (v->kind == J_TEXT)
		*n = jinja_chars(v);
	else if (v->kind == J_DICT)
		*n = v->dict->n;
	else if (v->kind == J_UNDEFINED)
		*n = 0;
	else if (v->kind == J_LOOP)
		*n = v->loop->items->n;
	else
		return jrun_fail(r, "object of type '%s' has no len()",
				 jinja_kind(v));
	return jrun_step(r, v->kind == J_TEXT ? v->n / 64 : 0);
}
