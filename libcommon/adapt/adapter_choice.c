#include "adapt/adapter_choice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "adapt/adapt.h"
#include "adapt/adapter_own.h"
#include "base/size.h"

enum { INIT_GAUSSIAN = 1 };     /* of ADAPTER_INITS; the next change bases */

static int out_of_memory(void)
{
	return err_set(E_NOMEM, "out of memory");
}

/* Calls for each part of the entries, cut at commas. */
static int each_part(const struct opt_list *l, const char *option,
		     int (*fn)(json_t *to, const char *part, size_t n,
			       const char *option),
		     json_t *to)
{
	for (size_t i = 0; i < l->n; i++)
		for (const char *p = l->at[i];; p++) {
			size_t n = strcspn(p, ",");

			if (!n)
				return err_set(E_USAGE, "--%s: an empty name",
					       option);
			TRY(fn(to, p, n, option));
			p += n;
			if (!*p)
				break;
		}
	return 0;
}

static int add_name(json_t *to, const char *part, size_t n, const char *option)
{
	(void)option;
	return json_array_append_new(to, json_stringn(part, n)) ?
		       out_of_memory() : 0;
}

/* "3" or "3-7". */
static int add_layers(json_t *to, const char *part, size_t n,
		      const char *option)
{
	char *end;
	long first = strtol(part, &end, 10), last = first;

	if (end != part && *end == '-')
		last = strtol(end + 1, &end, 10);
	if (end != part + n || first < 0 || last < first || last > 100000)
		return err_set(E_USAGE, "--%s: '%.*s' is no layer number",
			       option, (int)n, part);
	for (; first <= last; first++)
		if (json_array_append_new(to, json_integer(first)))
			return out_of_memory();
	return 0;
}

/* Is it more than a name or its end? */
static int is_regex(const char *text)
{
	return strpbrk(text, "*+?[](){}|\\^$") != NULL;
}

/* Names become a list; a regex, or all-linear, a string. */
static int set_rule(json_t *config, const char *key, const char *option,
		    const struct opt_list *l)
{
	json_t *list;

	if (l->n == 1 && (is_regex(l->at[0]) ||
			  !strcmp(l->at[0], "all-linear")))
		return json_object_set_new(config, key,
					   json_string(l->at[0])) ?
			       out_of_memory() : 0;
	for (size_t i = 0; i < l->n; i++)
		if (is_regex(l->at[i]) || !strcmp(l->at[i], "all-linear"))
			return err_set(E_USAGE, "--%s: a regex stands alone; "
				       "join alternatives with |", option);
	if (!l->n)
		return 0;
	list = json_array();
	if (json_object_set_new(config, key, list))
		return out_of_memory();
	return each_part(l, option, add_name, list);
}

static int set_list(json_t *config, const char *key, const char *option,
		    const struct opt_list *l,
		    int (*fn)(json_t *to, const char *part, size_t n,
			      const char *option))
{
	json_t *list;

	if (!l->n)
		return 0;
	list = json_array();
	if (json_object_set_new(config, key, list))
		return out_of_memory();
	return each_part(l, option, fn, list);
}

/* "RE=VALUE" entries, in order; the last = divides. */
static int set_patterns(json_t *config, const char *key, const char *option,
			const struct opt_list *l)
{
	json_t *object = json_object();

	if (json_object_set_new(config, key, object))
		return out_of_memory();
	for (size_t i = 0; i < l->n; i++) {
		const char *is = strrchr(l->at[i], '=');
		char *pattern, *end;
		double x = is ? strtod(is + 1, &end) : 0;
		json_t *value;

		if (!is || is == l->at[i] || end == is + 1 || *end ||
		    !(x > 0 && x < 1e9))
			return err_set(E_USAGE, "--%s: '%s' is not "
				       "REGEX=NUMBER", option, l->at[i]);
		value = x == floor(x) ? json_integer((json_int_t)x) :
					json_real(x);
		pattern = strndup(l->at[i], (size_t)(is - l->at[i]));
		if (!pattern || json_object_set_new(object, pattern, value)) {
			free(pattern);
			return out_of_memory();
		}
		free(pattern);
	}
	return 0;
}

json_t *adapter_choice_number(double x)
{
	return x == floor(x) && fabs(x) < 1e15 ?
		       json_integer((json_int_t)x) : json_real(x);
}

const char *adapter_init_name(int init)
{
	static const char *const name[] = {
		"default", "gaussian", "pissa", "olora", "loftq",
	};

	return (size_t)init < NELEM(name) ? name[init] : NULL;
}

int adapter_choice_beside(const struct adapter_choice *c)
{
	const char *name = adapter_init_name(c->init);

	if (c->init > INIT_GAUSSIAN)
		return err_set(E_USAGE, "--init %s changes the base, which is "
			       "not written here: lora-init --init %s base | "
			       "peft-step", name, name);
	return 0;
}

int adapter_choice_given(const struct opt_program *p)
{
	static struct adapter_choice unused;
	static const struct opt row[] = { ADAPTER_OPTIONS(unused), { 0 } };

	for (size_t i = 0; row[i].name; i++) {
		struct opt *o = opt_find(p, row[i].name);

		if (!strcmp(o->name, "seed") || !strcmp(o->name, "dropout"))
			continue;
		if (o->given)
			return err_set(E_USAGE, "--%s: the adapter is given, "
				       "and is as it is", o->name);
		o->flags &= ~(unsigned)OPT_RECORD;
	}
	return 0;
}

static int set_kind(json_t *j, const struct adapter_choice *c)
{
	const struct adapter_kind *kind;

	TRY(adapter_own_of_kind(j, c));
	kind = adapter_kind_find(c->method);
	if (c->init && !kind->starts)
		return err_set(E_USAGE, "--init %s: is not for --method %s, "
			       "which begins in its own way; for --method lora",
			       adapter_init_name(c->init), kind->name);
	if (json_object_set_new(j, "kind", json_string(kind->name)) ||
	    (c->init && json_object_set_new(j, "init", json_string(
					adapter_init_name(c->init)))))
		return out_of_memory();
	return adapter_own_keys(j, c, kind);
}

static int fill(json_t *j, const struct adapter_choice *c)
{
	double alpha;

	TRY(set_kind(j, c));
	if (adapter_kind_find(c->method)->front)
		return 0;
	alpha = c->alpha > 0 ? c->alpha : 2 * (double)c->rank;
	if (json_object_set_new(j, "r", json_integer((json_int_t)c->rank)) ||
	    json_object_set_new(j, "alpha", adapter_choice_number(alpha)) ||
	    json_object_set_new(j, "dropout",
				adapter_choice_number(c->dropout)) ||
	    json_object_set_new(j, "rslora", json_boolean(c->rslora)) ||
	    json_object_set_new(j, "target_modules",
				json_string("all-linear")))
		return out_of_memory();
	if (c->bias && json_object_set_new(j, "bias", json_string(
				c->bias == 1 ? "all" : "lora_only")))
		return out_of_memory();
	TRY(set_rule(j, "target_modules", "target-modules", &c->target));
	TRY(set_rule(j, "exclude_modules", "exclude-modules", &c->exclude));
	TRY(set_list(j, "layers_to_transform", "layers", &c->layers,
		     add_layers));
	TRY(set_list(j, "modules_to_save", "modules-to-save", &c->save,
		     add_name));
	TRY(set_patterns(j, "rank_pattern", "rank-pattern",
			 &c->rank_pattern));
	return set_patterns(j, "alpha_pattern", "alpha-pattern",
			    &c->alpha_pattern);
}

int adapter_choice_config(json_t **config, const struct adapter_choice *c,
			  json_t *more)
{
	*config = json_object();
	if (!*config)
		return out_of_memory();
	if (!c->rank)
		return err_set(E_USAGE, "--rank: at least 1");
	if (c->alpha < 0)
		return err_set(E_USAGE, "--alpha: %g is negative", c->alpha);
	TRY(fill(*config, c));
	return more && json_object_update(*config, more) ? out_of_memory() : 0;
}
