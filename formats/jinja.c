/* Templates, from text to text. */
#include "formats/jinja_parts.h"

#include "formats/unicode.h"

#include <stdlib.h>

struct jinja {
	struct jheap own;       /* text and nodes */
	struct jheap work;      /* a rendering's */
	struct jnode *body;
};

/* Line ends become \n, and the last one goes. */
static int read_text(struct jheap *h, const char *text, size_t size,
		     struct jtext *out)
{
	for (size_t i = 0; i < size; i++) {
		char c = text[i] == '\r' ? '\n' : text[i];

		TRY(jtext_add(h, out, &c, 1));
		i += text[i] == '\r' && i + 1 < size && text[i + 1] == '\n';
	}
	out->n -= out->n && out->at[out->n - 1] == '\n';
	return 0;
}

static int read_template(struct jinja *t, const char *text, size_t size)
{
	struct jparse p = { .h = &t->own };
	struct jtokens tokens = { 0 };
	struct jtext own = { 0 };

	if (size > JINJA_SIZE)
		return err_set(E_DATA, "template: it is larger than %d bytes",
			       JINJA_SIZE);
	if (unicode_valid(text, size) != size)
		return err_set(E_DATA, "template: it is no UTF-8 text");
	t->own.most = JINJA_SIZE + 512 * size;
	TRY(read_text(&t->own, text, size, &own));
	TRY(jinja_lex(&t->own, own.at, own.n, &tokens));
	p.t = tokens.at;
	return jparse_body(&p, "", &t->body);
}

int jinja_new(struct jinja **out, const char *text, size_t size)
{
	struct jinja *t = calloc(1, sizeof(*t));
	int err;

	*out = NULL;
	if (!t)
		return err_set(E_NOMEM, "no memory for a template");
	err = read_template(t, text, size);
	if (err)
		jinja_free(t);
	else
		*out = t;
	return err;
}

void jinja_free(struct jinja *t)
{
	if (!t)
		return;
	jheap_release(&t->own);
	jheap_release(&t->work);
	free(t);
}

/* Bytes of all texts in json, about. */
static size_t weigh(json_t *json)
{
	const char *key;
	json_t *member;
	size_t n = 16, i;

	if (json_is_string(json))
		n += json_string_length(json);
	json_object_foreach(json, key, member)
		n += strlen(key) + weigh(member);
	json_array_foreach(json, i, member)
		n += weigh(member);
	return n;
}

int jinja_render(struct jinja *t, json_t *variables, struct text *out)
{
	struct jscope root = { 0 };
	struct jtext text = { 0 };
	struct jrun r = { .h = &t->work, .scope = &root, .out = &text };
	size_t weight = weigh(variables);
	const char *key;
	json_t *member;
	int err = 0;

	r.most = JINJA_STEPS + weight;
	t->work.most = JINJA_MEMORY + 32 * weight;
	json_object_foreach(variables, key, member) {
		struct jval name = jinja_string(key), v;

		if (!err)
			err = jinja_from_json(&r, member, &v);
		if (!err)
			err = jrun_bind(&r, &root, &name, &v);
	}
	if (!err)
		err = jrun_body(&r, t->body);
	if (!err)
		err = text_add(out, text.n ? text.at : "", text.n);
	jheap_reset(&t->work);
	return err;
}
