#include "arch/family_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading config.json ---- */

/* "rope_parameters.factor", or where "also" says it may be instead. */
static json_t *path_find(const struct family_config *c, const char *path)
{
	const struct family_words *also = &c->f->also;
	json_t *v = json_path(c->json, path);
	char other[2 * FAMILY_PATH];

	if (v && !json_is_null(v))
		return v;
	for (size_t i = 0; i + 1 < also->n; i += 2) {
		size_t n = strlen(also->at[i]);

		if (strncmp(path, also->at[i], n) || path[n] != '.')
			continue;
		snprintf(other, sizeof(other), "%s%s", also->at[i + 1],
			 path + n);
		v = json_path(c->json, other);
		if (v && !json_is_null(v))
			return v;
	}
	return NULL;
}

static int json_value(struct family_value *v, json_t *j, const char *key)
{
	*v = (struct family_value){ .kind = FAMILY_NUMBER };
	if (json_is_number(j)) {
		v->number = json_number_value(j);
		return isfinite(v->number) ? 0
			: err_set(E_DATA, "config.json: %s is not finite", key);
	}
	if (json_is_boolean(j)) {
		v->number = json_is_true(j);
		return 0;
	}
	if (!json_is_string(j))
		return err_set(E_DATA, "config.json: %s is neither a number "
			       "nor a text", key);
	if (json_string_length(j) >= sizeof(v->text))
		return err_set(E_DATA, "config.json: %s: too long", key);
	v->kind = FAMILY_TEXT;
	memcpy(v->text, json_string_value(j), json_string_length(j));
	return 0;
}

/* A list is the config's, which frees it. */
static int list_of(struct family_config *c, struct family_value *v, json_t *j,
		   const char *key)
{
	size_t n = json_array_size(j), i;
	struct family_list *l = malloc(sizeof(*l) + n * sizeof(double));
	json_t *e;

	if (!l)
		return err_set(E_NOMEM, "config.json: out of memory");
	l->next = c->list;
	c->list = l;
	json_array_foreach(j, i, e) {
		l->at[i] = json_number_value(e);
		if (!json_is_number(e) || !isfinite(l->at[i]))
			return err_set(E_DATA, "config.json: element %zu of "
				       "%s is not a number", i, key);
	}
	*v = (struct family_value){ .kind = FAMILY_LIST, .list = l->at,
				    .n = n };
	return 0;
}

struct lookup {
	struct family_config *c;
	size_t n;               /* rules that are known already */
};

static int lookup(void *ctx, const char *word, struct family_value *v)
{
	const struct lookup *l = ctx;
	json_t *j;

	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->c->f->rule[i].name, word)) {
			*v = l->c->at[i];
			return 0;
		}
	*v = (struct family_value){ 0 };
	j = path_find(l->c, word);
	if (!j)
		return 0;
	return json_is_array(j) ? list_of(l->c, v, j, word)
				: json_value(v, j, word);
}

/* "..., none" makes an absent value right. */
static int may_lack(const char *expr)
{
	size_t n = strlen(expr);

	while (n && (expr[n - 1] == ' ' || expr[n - 1] == '\t'))
		n--;
	return n >= 4 && !strncmp(expr + n - 4, "none", 4) &&
	       (n == 4 || strchr(" \t|", expr[n - 5]));
}

static int read_rules(struct family_config *c)
{
	for (size_t i = 0; i < c->f->nrule; i++) {
		const struct family_rule *r = &c->f->rule[i];
		struct lookup l = { c, i };
		int err = family_expr_eval(&c->at[i], r->expr, lookup, &l);

		if (err)
			return err_at(err, "%s", r->name);
		if (c->at[i].kind == FAMILY_NONE && !may_lack(r->expr))
			return err_set(E_DATA, "config.json: no %s (%s)",
				       r->name, r->expr);
	}
	return 0;
}

/* ---- numbers of a layer ---- */

struct layer_lookup {
	struct lookup of;
	size_t layer, n;        /* rules of the layer that are known */
};

/* "layer_types[i]" */
static int element(const struct layer_lookup *l, const char *word, size_t n,
		   struct family_value *v)
{
	char path[FAMILY_PATH];
	json_t *j;

	*v = (struct family_value){ 0 };
	snprintf(path, sizeof(path), "%.*s", (int)n, word);
	j = path_find(l->of.c, path);
	if (!j)
		return 0;
	if (!json_is_array(j) || l->layer >= json_array_size(j))
		return err_set(E_DATA, "config.json: %s is not a list with an "
			       "entry for layer %zu", path, l->layer);
	return json_value(v, json_array_get(j, l->layer), path);
}

static int layer_lookup(void *ctx, const char *word, struct family_value *v)
{
	struct layer_lookup *l = ctx;
	const struct family *f = l->of.c->f;
	size_t n = strcspn(word, "[");

	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(f->layer[i].name, word)) {
			*v = l->of.c->layer[l->layer * f->nlayer + i];
			return 0;
		}
	if (word[n])
		return element(l, word, n, v);
	if (strcmp(word, "i"))
		return lookup(&l->of, word, v);
	*v = (struct family_value){ .kind = FAMILY_NUMBER,
				    .number = (double)l->layer };
	return 0;
}

static int read_layer(struct family_config *c, size_t layer)
{
	const struct family *f = c->f;

	for (size_t i = 0; i < f->nlayer; i++) {
		const struct family_rule *r = &f->layer[i];
		struct layer_lookup l = { { c, f->nrule }, layer, i };
		struct family_value *v = &c->layer[layer * f->nlayer + i];
		int err = family_expr_eval(v, r->expr, layer_lookup, &l);

		if (err)
			return err_at(err, "%s", r->name);
		if (v->kind == FAMILY_NONE && !may_lack(r->expr))
			return err_set(E_DATA, "config.json: no %s (%s)",
				       r->name, r->expr);
	}
	return 0;
}

static int read_layers(struct family_config *c)
{
	TRY(family_size(&c->layers, c, "layers"));
	if (c->layers > FAMILY_LAYERS)
		return err_set(E_DATA, "config.json: %zu layers, and at most "
			       "%d are supported", c->layers, FAMILY_LAYERS);
	if (!c->f->nlayer)
		return 0;
	c->layer = calloc(c->layers * c->f->nlayer, sizeof(*c->layer));
	if (!c->layer)
		return err_set(E_NOMEM, "config.json: out of memory");
	for (size_t i = 0; i < c->layers; i++)
		TRY(read_layer(c, i));
	return 0;
}

/* ---- the values that a key may have ---- */

static int require_one(const struct family_rule *r, json_t *j)
{
	struct family_value v;

	TRY(json_value(&v, j, r->name));
	for (const char *s = r->expr; *s;) {
		size_t n = strcspn(s, " \t");

		if (family_value_is(&v, s, n))
			return 0;
		s += n;
		s += strspn(s, " \t");
	}
	if (v.kind == FAMILY_TEXT)
		return err_set(E_DATA, "config.json: %s is \"%s\", and this "
			       "family has %s only", r->name, v.text, r->expr);
	return err_set(E_DATA, "config.json: %s is %g, and this family has "
		       "%s only", r->name, v.number, r->expr);
}

static int check_required(const struct family_config *c)
{
	for (size_t i = 0; i < c->f->nrequire; i++) {
		const struct family_rule *r = &c->f->require[i];
		json_t *j = path_find(c, r->name);

		if (!json_is_array(j)) {
			if (j)
				TRY(require_one(r, j));
			continue;
		}
		for (size_t k = 0; k < json_array_size(j); k++)
			TRY(require_one(r, json_array_get(j, k)));
	}
	return 0;
}

int family_configure(struct family_config **to, const struct family *f,
		     json_t *config)
{
	struct family_config *c;
	int err;

	*to = NULL;
	if (!json_is_object(config))
		return err_set(E_DATA, "config.json: not an object");
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_set(E_NOMEM, "config.json: out of memory");
	c->f = f;
	c->json = config;
	err = read_rules(c);
	if (!err)
		err = read_layers(c);
	if (!err)
		err = check_required(c);
	if (!err)
		err = family_check_keys(f, config);
	c->json = NULL;
	if (err)
		family_config_free(c);
	else
		*to = c;
	return err;
}
