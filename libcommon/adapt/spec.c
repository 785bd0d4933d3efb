#include "adapt/spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapt/match.h"
#include "adapt/spec_parts.h"

/* ---- checking ---- */

static int check_list(json_t *config, const char *key, int may_be_text)
{
	json_t *list = json_object_get(config, key), *entry;
	size_t i;

	if (!list || json_is_null(list) ||
	    (may_be_text && json_is_string(list)))
		return 0;
	if (!json_is_array(list))
		return err_set(E_CONFIG, "%s is no list", key);
	json_array_foreach(list, i, entry)
		if (!json_is_string(entry) || !*json_string_value(entry))
			return err_set(E_CONFIG, "%s: entry %zu is no name",
				       key, i + 1);
	return 0;
}

static int check_patterns(json_t *config, const char *key, int whole)
{
	json_t *object = json_object_get(config, key), *v;
	const char *pattern;

	if (!object || json_is_null(object))
		return 0;
	if (!json_is_object(object))
		return err_set(E_CONFIG, "%s is no object", key);
	json_object_foreach(object, pattern, v)
		if (!json_is_number(v) || (whole && !json_is_integer(v)) ||
		    json_number_value(v) <= 0)
			return err_set(E_CONFIG, "%s: the value of %s is no "
				       "positive number", key, pattern);
	return 0;
}

double spec_rank(json_t *config)
{
	return json_number(config, "r", 8);
}

double spec_alpha(json_t *config)
{
	return json_number(config, "alpha", 2 * spec_rank(config));
}

static int check_one(json_t *config)
{
	double rank = spec_rank(config);

	if (!json_is_object(config))
		return err_set(E_CONFIG, "the adapter's options are no object");
	if (!(rank >= 1 && rank <= 1 << 20) || rank != (double)(long)rank)
		return err_set(E_CONFIG, "r is %g, want a positive whole "
			       "number", rank);
	TRY(check_list(config, "target_modules", 1));
	TRY(check_list(config, "exclude_modules", 1));
	TRY(check_list(config, "modules_to_save", 0));
	TRY(check_patterns(config, "rank_pattern", 1));
	return check_patterns(config, "alpha_pattern", 0);
}

int spec_is_target(const struct adapter *a)
{
	return a->kind != &adapt_full && a->kind != &adapt_bias;
}

static int check(json_t *config)
{
	json_t *rules = json_object_get(config, "rules"), *rule;
	const char *bias = json_text(config, "bias", "none");
	size_t i;

	TRY(check_one(config));
	if (strcmp(bias, "none") && strcmp(bias, "all") &&
	    strcmp(bias, "lora_only"))
		return err_set(E_CONFIG, "bias is \"%.20s\", want none, all "
			       "or lora_only", bias);
	if (rules && !json_is_array(rules))
		return err_set(E_CONFIG, "rules is no list");
	json_array_foreach(rules, i, rule)
		TRY(check_one(rule));
	return 0;
}

/* The options of one module, patterns applied. */
static int options_for(struct adapter_options *o, json_t *config,
		       const char *module)
{
	json_t *v;

	*o = (struct adapter_options){
		.kind = json_text(config, "kind", "lora"),
		.rank = (size_t)spec_rank(config),
		.alpha = spec_alpha(config),
		.dropout = json_number(config, "dropout", 0),
		.rslora = json_flag(config, "rslora", 0),
		.extra = config,
	};
	TRY(match_pattern(json_object_get(config, "rank_pattern"), module, &v));
	if (v)
		o->rank = (size_t)json_integer_value(v);
	TRY(match_pattern(json_object_get(config, "alpha_pattern"), module,
			  &v));
	if (v)
		o->alpha = json_number_value(v);
	o->made_rank = o->rank;
	return 0;
}

/* ---- making ---- */

static int targets(json_t *config, const struct adapter_site *s, int *yes)
{
	int excluded;

	*yes = 0;
	if (s->role == ROLE_NORM)
		return 0;
	TRY(match_rule(json_object_get(config, "target_modules"), s->module,
		       s->role, yes));
	TRY(match_rule(json_object_get(config, "exclude_modules"), s->module,
		       s->role, &excluded));
	*yes = *yes && !excluded &&
	       match_layer(json_object_get(config, "layers_to_transform"),
			   s->module);
	return 0;
}

int spec_find(json_t **own, json_t *config, const struct adapter_site *site)
{
	json_t *rules = json_object_get(config, "rules"), *rule;
	size_t i;
	int yes = 0;

	*own = NULL;
	if (!rules) {
		TRY(targets(config, site, &yes));
		*own = yes ? config : NULL;
		return 0;
	}
	json_array_foreach(rules, i, rule) {
		TRY(targets(rule, site, &yes));
		if (!yes)
			continue;
		if (strcmp(json_text(rule, "kind", "lora"), "none"))
			*own = rule;
		break;
	}
	return 0;
}

int adapter_wanted(struct adapter_options *o, json_t *config,
		   const struct adapter_site *site, int *yes)
{
	const char *bias = json_text(config, "bias", "none");
	json_t *own = NULL;
	int whole, alone;

	TRY(match_rule(json_object_get(config, "modules_to_save"),
		       site->module, site->role, &whole));
	whole = whole && site->role != ROLE_NORM;
	if (!whole)
		TRY(spec_find(&own, config, site));
	alone = !whole && !own && site->bias && !strcmp(bias, "all");
	*yes = whole || own || alone;
	if (!*yes)
		return 0;
	TRY(options_for(o, own ? own : config, site->module));
	o->bias = site->bias && (whole || strcmp(bias, "none"));
	if (whole)
		o->kind = adapt_full.name;
	if (alone)
		o->kind = adapt_bias.name;
	return 0;
}

static int add_site(struct adapter_set *s, json_t *config,
		    const struct adapter_site *site)
{
	struct adapter_options o;
	int yes;

	TRY(adapter_wanted(&o, config, site, &yes));
	return yes ? adapter_set_add(s, site, &o) : 0;
}

static int check_saved(const struct adapter_sites *sites, json_t *saved)
{
	json_t *entry;
	size_t i;

	json_array_foreach(saved, i, entry) {
		int found = 0;

		for (size_t k = 0; k < sites->n; k++)
			found |= sites->at[k].role != ROLE_NORM &&
				 match_name(sites->at[k].module,
					    json_string_value(entry));
		if (!found)
			return err_set(E_CONFIG, "modules_to_save: the base "
				       "has no matrix %s.weight",
				       json_string_value(entry));
	}
	return 0;
}

int adapter_set_make(struct adapter_set *s, json_t *config,
		     const struct adapter_sites *sites)
{
	size_t whole = 0;

	TRY(check(config));
	for (size_t i = 0; i < sites->n; i++)
		TRY(add_site(s, config, &sites->at[i]));
	for (size_t i = 0; i < s->n; i++)
		whole += !spec_is_target(&s->at[i]);
	TRY(check_saved(sites, json_object_get(config, "modules_to_save")));
	if (s->n == whole && !(whole && !json_array_size(json_object_get(
						config, "target_modules"))))
		return err_set(E_CONFIG, "no module of the base matches "
			       "target_modules");
	return spec_describe(s, config, sites);
}

/* ---- reading ---- */

static struct tensor *param_of(const struct tensor_set *t, const char *module,
			       const char *param)
{
	char name[TENSOR_NAME];

	snprintf(name, sizeof(name), "%s.%s", module, param);
	return tensor_set_find(t, name);
}

json_t *adapter_config_at(json_t *config, const char *module)
{
	const struct adapter_site site = { .module = module,
					   .role = ROLE_LINEAR };
	json_t *own;

	if (!json_object_get(config, "rules") ||
	    spec_find(&own, config, &site) || !own)
		return config;
	return own;
}

static int read_site(struct adapter_set *s, json_t *config,
		     const struct tensor_set *t,
		     const struct adapter_site *site)
{
	struct adapter_options o;
	const struct adapter_kind *kind;
	const struct tensor *mark;

	TRY(options_for(&o, adapter_config_at(config, site->module),
			site->module));
	o.bias = param_of(t, site->module, adapt_bias.mark) != NULL;
	if (param_of(t, site->module, adapt_full.mark)) {
		o.kind = adapt_full.name;
		return adapter_set_add(s, site, &o);
	}
	kind = adapter_kind_for(o.kind, site->role);
	if (!kind)
		return err_set(E_CONFIG, "no adapter kind \"%s\"", o.kind);
	mark = param_of(t, site->module, kind->mark);
	if (!mark && o.bias)
		o.kind = adapt_bias.name;
	if (!mark)
		return o.bias ? adapter_set_add(s, site, &o) : 0;
	o.rank = tensor_rows(mark);
	o.cols = tensor_cols(mark);
	return adapter_set_add(s, site, &o);
}

/* Is the tensor a parameter (or its optimizer state) of an adapter in s? */
static int has_place(const struct adapter_set *s, const struct tensor *t)
{
	for (size_t i = 0; i < s->n; i++) {
		size_t len = strlen(s->at[i].module);

		if (!strncmp(t->name, s->at[i].module, len) &&
		    t->name[len] == '.')
			return 1;
	}
	return 0;
}

int adapter_set_read(struct adapter_set *s, json_t *config,
		     const struct tensor_set *tensors,
		     const struct adapter_sites *sites)
{
	TRY(check(config));
	for (size_t i = 0; i < sites->n; i++)
		TRY(read_site(s, config, tensors, &sites->at[i]));
	for (size_t i = 0; i < tensors->n; i++)
		if (tensors->at[i].role == ROLE_ADAPTER &&
		    !has_place(s, &tensors->at[i]))
			return err_set(E_DATA, "the adapter's %s has no place "
				       "in the base", tensors->at[i].name);
	if (!s->n)
		return err_set(E_DATA, "the adapter has no tensor");
	s->config = json_incref(config);
	return 0;
}
