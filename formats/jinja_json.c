/* tojson: Python's json.dumps(ensure_ascii=False), with its options. */
#include "formats/jinja_parts.h"

#include "formats/unicode.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct json_out {
	struct jrun *r;
	struct jtext t;
	int ascii, sort, pretty;
	struct jval indent, comma, colon;
};

static int add_hex(struct jrun *r, struct jtext *t, uint32_t c)
{
	char text[16];

	if (c >= 0x10000)
		snprintf(text, sizeof(text), "\\u%04x\\u%04x",
			 (unsigned)(0xd800 + ((c - 0x10000) >> 10)),
			 (unsigned)(0xdc00 + ((c - 0x10000) & 0x3ff)));
	else
		snprintf(text, sizeof(text), "\\u%04x", (unsigned)c);
	return jtext_adds(r->h, t, text);
}

int jinja_quote(struct jrun *r, struct jtext *t, const struct jval *s,
		int ascii)
{
	static const char from[] = "\"\\\n\r\t\f\b", to[] = "\"\\nrtfb";
	size_t plain = 0, k;
	uint32_t c;

	TRY(jrun_step(r, s->n / 16));
	TRY(jtext_adds(r->h, t, "\""));
	for (size_t i = 0; i < s->n; i += k) {
		const char *known;
		char two[2] = { '\\' };

		k = unicode_get(s->text + i, s->n - i, &c);
		known = c && c < 128 ? strchr(from, (int)c) : NULL;
		if (!known && c >= 0x20 && (!ascii || c < 0x7f))
			continue;
		TRY(jtext_add(r->h, t, s->text + plain, i - plain));
		plain = i + k;
		if (known) {
			two[1] = to[known - from];
			TRY(jtext_add(r->h, t, two, 2));
		} else {
			TRY(add_hex(r, t, c));
		}
	}
	TRY(jtext_add(r->h, t, s->text + plain, s->n - plain));
	return jtext_adds(r->h, t, "\"");
}

static int put(struct json_out *j, const struct jval *v, int depth);

static int put_gap(struct json_out *j, int depth, int first)
{
	struct jheap *h = j->r->h;

	if (!first)
		TRY(jtext_add(h, &j->t, j->comma.text, j->comma.n));
	if (!j->pretty)
		return 0;
	TRY(jtext_adds(h, &j->t, "\n"));
	for (int i = 0; i < depth; i++)
		TRY(jtext_add(h, &j->t, j->indent.text, j->indent.n));
	return 0;
}

static int put_scalar(struct json_out *j, const struct jval *v)
{
	struct jheap *h = j->r->h;

	if (v->kind == J_NONE)
		return jtext_adds(h, &j->t, "null");
	if (v->kind == J_BOOL)
		return jtext_adds(h, &j->t, v->i ? "true" : "false");
	if (v->kind == J_TEXT)
		return jinja_quote(j->r, &j->t, v, j->ascii);
	if (v->kind == J_REAL && !isfinite(v->x))
		return jtext_adds(h, &j->t, isnan(v->x) ? "NaN" : v->x < 0 ?
				  "-Infinity" : "Infinity");
	if (jinja_is_number(v))
		return jinja_print(j->r, &j->t, v);
	return jrun_fail(j->r, "Object of type %s is not JSON serializable",
			 jinja_kind(v));
}

static int put_list(struct json_out *j, const struct jlist *l, int depth)
{
	TRY(jtext_adds(j->r->h, &j->t, "["));
	for (size_t i = 0; i < l->n; i++) {
		TRY(put_gap(j, depth + 1, !i));
		TRY(put(j, &l->at[i], depth + 1));
	}
	if (l->n)
		TRY(put_gap(j, depth, 1));
	return jtext_adds(j->r->h, &j->t, "]");
}

static int put_key(struct json_out *j, const struct jval *key)
{
	if (key->kind == J_TEXT)
		return jinja_quote(j->r, &j->t, key, j->ascii);
	if (key->kind == J_TUPLE || key->kind == J_UNDEFINED)
		return jrun_fail(j->r, "a key of JSON cannot be a %s",
				 jinja_kind(key));
	TRY(jtext_adds(j->r->h, &j->t, "\""));
	TRY(put_scalar(j, key));
	return jtext_adds(j->r->h, &j->t, "\"");
}

/* The keys' order, by insertion into a list that is sorted. */
static int sorted(struct json_out *j, const struct jdict *d, size_t *order)
{
	for (size_t i = 0; i < d->n; i++) {
		size_t k = i;
		int cmp = 0;

		TRY(jrun_step(j->r, i / 4));
		for (; k; k--) {
			TRY(jinja_order(j->r, &d->at[order[k - 1]].key,
					&d->at[i].key, &cmp));
			if (cmp <= 0)
				break;
			order[k] = order[k - 1];
		}
		order[k] = i;
	}
	return 0;
}

static int put_dict(struct json_out *j, const struct jdict *d, int depth)
{
	size_t *order = NULL;

	if (j->sort) {
		TRY(jheap_get(j->r->h, &order, d->n * sizeof(*order)));
		TRY(sorted(j, d, order));
	}
	TRY(jtext_adds(j->r->h, &j->t, "{"));
	for (size_t i = 0; i < d->n; i++) {
		const struct jpair *p = &d->at[order ? order[i] : i];

		TRY(put_gap(j, depth + 1, !i));
		TRY(put_key(j, &p->key));
		TRY(jtext_add(j->r->h, &j->t, j->colon.text, j->colon.n));
		TRY(put(j, &p->value, depth + 1));
	}
	if (d->n)
		TRY(put_gap(j, depth, 1));
	return jtext_adds(j->r->h, &j->t, "}");
}

static int put(struct json_out *j, const struct jval *v, int depth)
{
	TRY(jrun_step(j->r, 1));
	if (depth > JINJA_DEPTH)
		return jrun_fail(j->r, "a value is nested too deeply");
	if (v->kind == J_DICT)
		return put_dict(j, v->dict, depth);
	if (v->kind == J_LIST || v->kind == J_TUPLE)
		return put_list(j, v->list, depth);
	return put_scalar(j, v);
}

static int options(struct jcall *c, struct json_out *j)
{
	struct jval *indent = &c->arg[1], *pair = &c->arg[2];
	struct jtext blanks = { 0 };

	j->ascii = c->has[0] && jinja_true(&c->arg[0]);
	j->sort = c->has[3] && jinja_true(&c->arg[3]);
	j->pretty = c->has[1] && indent->kind != J_NONE;
	j->comma = jinja_string(j->pretty ? "," : ", ");
	j->colon = jinja_string(": ");
	if (j->pretty && indent->kind == J_TEXT) {
		j->indent = *indent;
	} else if (j->pretty) {
		if (indent->kind > J_INT || indent->i > JINJA_DEPTH)
			return jrun_fail(c->r, "an indent of tojson is a "
					 "number or a text");
		for (int64_t i = 0; i < indent->i; i++)
			TRY(jtext_adds(c->r->h, &blanks, " "));
		j->indent = jinja_taken(&blanks);
	}
	if (!c->has[2] || pair->kind == J_NONE)
		return 0;
	if ((pair->kind != J_TUPLE && pair->kind != J_LIST) ||
	    pair->list->n != 2 || pair->list->at[0].kind != J_TEXT ||
	    pair->list->at[1].kind != J_TEXT)
		return jrun_fail(c->r, "separators of tojson are two texts");
	j->comma = pair->list->at[0];
	j->colon = pair->list->at[1];
	return 0;
}

int jinja_tojson(struct jcall *c, struct jval *out)
{
	struct json_out j = { .r = c->r };

	TRY(options(c, &j));
	TRY(put(&j, &c->self, 0));
	*out = jinja_taken(&j.t);
	return 0;
}
