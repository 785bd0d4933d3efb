#include "arch/family_text.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct family_config {
	const struct family *f;
	json_t *json;           /* only while it is made */
	struct family_value at[FAMILY_RULES];
};

static const struct family_value *value_find(const struct family_config *c,
					     const char *name)
{
	for (size_t i = 0; i < c->f->nrule; i++)
		if (!strcmp(c->f->rule[i].name, name))
			return &c->at[i];
	return NULL;
}

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
	j = path_find(l->c, word);
	if (!j) {
		*v = (struct family_value){ 0 };
		return 0;
	}
	return json_value(v, j, word);
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

/* ---- the values that a key may have ---- */

static int word_is(const struct family_value *v, const char *word, size_t n)
{
	char text[FAMILY_NAME], *end;
	double x;

	if (n >= sizeof(text))
		return 0;
	memcpy(text, word, n);
	text[n] = 0;
	if (v->kind == FAMILY_TEXT)
		return !strcmp(v->text, text);
	if (!strcmp(text, "true") || !strcmp(text, "false"))
		return v->number == (text[0] == 't');
	x = strtod(text, &end);
	return !*end && v->number == x;
}

static int require_one(const struct family_rule *r, json_t *j)
{
	struct family_value v;

	TRY(json_value(&v, j, r->name));
	for (const char *s = r->expr; *s;) {
		size_t n = strcspn(s, " \t");

		if (word_is(&v, s, n))
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

void family_config_free(struct family_config *c)
{
	free(c);
}

/* ---- asking ---- */

int family_has(const struct family_config *c, const char *name)
{
	const struct family_value *v = value_find(c, name);

	return v && v->kind != FAMILY_NONE;
}

double family_number(const struct family_config *c, const char *name)
{
	const struct family_value *v = value_find(c, name);

	assert(v && v->kind == FAMILY_NUMBER);
	return v->number;
}

const char *family_text(const struct family_config *c, const char *name)
{
	const struct family_value *v = value_find(c, name);

	assert(v && v->kind != FAMILY_NONE);
	return v->kind == FAMILY_TEXT ? v->text : NULL;
}

int family_real(double *x, const struct family_config *c, const char *name)
{
	const struct family_value *v = value_find(c, name);

	if (!v || v->kind != FAMILY_NUMBER)
		return err_set(E_DATA, "config.json: %s is not a number",
			       name);
	*x = v->number;
	return 0;
}

double family_member(const struct family_config *c, const char *group,
		     const char *name, double none)
{
	char whole[2 * FAMILY_NAME];
	const struct family_value *v;

	snprintf(whole, sizeof(whole), "%s.%s", group, name);
	v = value_find(c, whole);
	return v && v->kind == FAMILY_NUMBER ? v->number : none;
}

int family_size(size_t *size, const struct family_config *c,
		const char *product)
{
	const double most = 2147483648.0;
	double n = 1;

	for (const char *s = product; *s;) {
		size_t len = strcspn(s, "*");
		char name[FAMILY_NAME] = { 0 };
		const struct family_value *v;

		if (len < sizeof(name))
			memcpy(name, s, len);
		v = value_find(c, name);
		if (!v || v->kind != FAMILY_NUMBER)
			return err_set(E_DATA, "config.json: %s is not a "
				       "number", product);
		n *= v->number;
		s += len + (s[len] == '*');
	}
	if (!(n >= 1 && n <= most) || n != floor(n))
		return err_set(E_DATA, "config.json: %s is %.17g, and must be "
			       "a whole number from 1 to 2^31", product, n);
	*size = (size_t)n;
	return 0;
}
