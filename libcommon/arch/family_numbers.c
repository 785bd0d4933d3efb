/* What a family's numbers are, once config.json is read. */
#include "arch/family_text.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct family_value *value_find(const struct family_config *c,
					     const char *name)
{
	for (size_t i = 0; i < c->f->nrule; i++)
		if (!strcmp(c->f->rule[i].name, name))
			return &c->at[i];
	return NULL;
}

void family_config_free(struct family_config *c)
{
	if (!c)
		return;
	while (c->list) {
		struct family_list *next = c->list->next;

		free(c->list);
		c->list = next;
	}
	free(c->layer);
	free(c);
}

int family_has(const struct family_config *c, const char *name)
{
	const struct family_value *v = value_find(c, name);

	return v && v->kind != FAMILY_NONE;
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

const double *family_list(const struct family_config *c, const char *group,
			  const char *name, size_t *n)
{
	char whole[2 * FAMILY_NAME];
	const struct family_value *v;

	snprintf(whole, sizeof(whole), "%s.%s", group, name);
	v = value_find(c, whole);
	if (!v || v->kind != FAMILY_LIST)
		return NULL;
	*n = v->n;
	return v->list;
}

/* ---- of a layer ---- */

static const struct family_value *value_at(const struct family_config *c,
					   const char *name, size_t layer)
{
	for (size_t i = 0; i < c->f->nlayer && layer < c->layers; i++)
		if (!strcmp(c->f->layer[i].name, name))
			return &c->layer[layer * c->f->nlayer + i];
	return value_find(c, name);
}

int family_real_at(double *x, const struct family_config *c, const char *name,
		   size_t layer)
{
	const struct family_value *v = value_at(c, name, layer);

	*x = NAN;
	if (!v || v->kind == FAMILY_NONE)
		return 0;
	if (v->kind != FAMILY_NUMBER)
		return err_set(E_DATA, "config.json: %s is not a number",
			       name);
	*x = v->number;
	return 0;
}

int family_value_is(const struct family_value *v, const char *word, size_t n)
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

int family_when(const struct family_config *c, const struct family_step *s,
		size_t layer)
{
	const struct family_value *v;
	int holds = 0;

	if (!s->when[0])
		return 1;
	v = value_at(c, s->when, layer);
	if (v && v->kind != FAMILY_NONE && !s->values[0])
		holds = v->kind != FAMILY_NUMBER || v->number != 0;
	for (const char *at = s->values; v && *at;) {
		size_t n = strcspn(at, "|");

		holds |= v->kind != FAMILY_NONE && family_value_is(v, at, n);
		at += n + (at[n] == '|');
	}
	return holds != s->unless;
}

int family_uses(const struct family_config *c, const struct family_tensor *t,
		size_t layer)
{
	for (int part = 0; part < FAMILY_PARTS; part++) {
		const struct family_step *s = c->f->step[part];

		if ((part == FAMILY_BLOCK) == (layer == SIZE_MAX))
			continue;
		for (size_t i = 0; i < c->f->nstep[part]; i++)
			if (!strcmp(s[i].tensor, t->name) &&
			    family_when(c, &s[i], layer))
				return 1;
	}
	return 0;
}

/* ---- sizes ---- */

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
