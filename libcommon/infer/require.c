#include "infer/require.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct requirement {
	char key[128];
	int greater, equal;
	double number;
};

static int parse(struct requirement *r, const char *text)
{
	size_t n = strcspn(text, "<>");
	const char *at = text + n;
	char *end;

	if (!n || n >= sizeof(r->key) - 8 || !*at)
		return err_set(E_USAGE, "'%s': want KEY<=NUMBER", text);
	memcpy(r->key, text, n);
	r->key[n] = 0;
	r->greater = *at++ == '>';
	r->equal = *at == '=';
	at += r->equal;
	r->number = strtod(at, &end);
	if (end == at || *end || isnan(r->number))
		return err_set(E_USAGE, "'%s': '%s' is no number", text, at);
	return 0;
}

int require_parse(const char *text)
{
	struct requirement r;

	return parse(&r, text);
}

static json_t *metric(json_t *task, const char *key)
{
	char full[144];
	json_t *v = json_object_get(task, key);

	snprintf(full, sizeof(full), "%s,none", key);
	return v ? v : json_object_get(task, full);
}

static json_t *find(json_t *result, const char *key)
{
	json_t *tasks = json_object_get(result, "results"), *task;
	json_t *v = json_object_get(result, key);
	const char *name, *dot = strchr(key, '.');

	if (v)
		return v;
	if (dot) {
		task = json_object_getn(tasks, key, (size_t)(dot - key));
		v = metric(task, dot + 1);
		if (v)
			return v;
	}
	json_object_foreach(tasks, name, task)
		if ((v = metric(task, key)))
			return v;
	return NULL;
}

int require_check(json_t *result, const char *text)
{
	struct requirement r;
	json_t *v;
	double x;
	int holds;

	TRY(parse(&r, text));
	v = find(result, r.key);
	if (!json_is_number(v))
		return err_set(E_NO, "%s: there is no %s in the result", text,
			       r.key);
	x = json_number_value(v);
	holds = r.greater ? x > r.number : x < r.number;
	if (!holds && !(r.equal && x == r.number))
		return err_set(E_NO, "%s does not hold: it is %.6g", text, x);
	return 0;
}
