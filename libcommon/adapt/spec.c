#include "adapt/spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapt/match.h"
#include "adapt/spec_parts.h"
#include "base/suffix.h"

const struct adapter_kind *adapter_kind_listed(json_t *config,
					       const char *module)
{
	const struct adapter_kind *k;

	for (size_t i = 0; (k = adapter_kind_at(i)); i++)
		if (k->list && match_listed(json_object_get(config, k->list),
					    module, NULL))
			return k;
	return NULL;
}

const struct adapter_kind *adapter_kind_marked(const char *param)
{
	const struct adapter_kind *k;

	for (size_t i = 0; (k = adapter_kind_at(i)); i++)
		if (k->list && !strcmp(k->mark, param))
			return k;
	return NULL;
}

double spec_rank(json_t *config)
{
	return json_number(config, "r", 8);
}

double spec_alpha(json_t *config)
{
	return json_number(config, "alpha", 2 * spec_rank(config));
}

int spec_is_target(const struct adapter *a)
{
	return !a->kind->list && a->kind != &adapt_bias;
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

/* A place before the sequences is for kinds that stand there, and no other
 * is; *own: what gives such a site its options. 1: that decides. */
static int front_wants(json_t **own, json_t *config,
		       const struct adapter_site *site)
{
	const struct adapter_kind *k =
		adapter_kind_find(json_text(config, "kind", "lora"));

	*own = site->front && k && k->front ? config : NULL;
	return site->front || (k && k->front);
}

static int own_options(json_t **own, json_t *config,
		       const struct adapter_site *site,
		       const struct adapter_kind **listed)
{
	*listed = NULL;
	if (front_wants(own, config, site))
		return 0;
	if (site->role != ROLE_NORM)
		*listed = adapter_kind_listed(config, site->module);
	TRY(spec_find(own, config, site));
	if (*own && *listed && (*listed)->follows)
		return err_set(E_CONFIG, "%s: some of its rows are trained "
			       "(%s), so it can have no adapter besides",
			       site->module, (*listed)->list);
	if (*listed)
		*own = NULL;
	return 0;
}

int adapter_wanted(struct adapter_options *o, json_t *config,
		   const struct adapter_site *site, int *yes)
{
	const char *bias = json_text(config, "bias", "none");
	const struct adapter_kind *listed;
	json_t *own;
	int whole, alone;

	TRY(own_options(&own, config, site, &listed));
	whole = listed == &adapt_full;
	alone = !listed && !own && site->bias && !strcmp(bias, "all");
	*yes = listed || own || alone;
	if (!*yes)
		return 0;
	TRY(options_for(o, own ? own : config, site->module));
	o->bias = site->bias && (whole || (!listed && strcmp(bias, "none")));
	if (listed)
		o->kind = listed->name;
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

static int check_there(const struct adapter_sites *sites, const char *list,
		       const char *name)
{
	int head = 0;

	for (size_t i = 0; i < sites->n; i++) {
		head |= sites->at[i].role == ROLE_HEAD;
		if (sites->at[i].role != ROLE_NORM &&
		    suffix_is_part(sites->at[i].module, name))
			return 0;
	}
	return err_set(E_CONFIG, "%s: the base has no matrix %s.weight%s", list,
		       name, head ? "" : "; its head is its embedding, and "
					 "goes by that name");
}

static int check_listed(const struct adapter_sites *sites, json_t *config,
			const char *list)
{
	json_t *names = json_object_get(config, list), *v;
	const char *key;
	size_t i;

	json_array_foreach(names, i, v)
		TRY(check_there(sites, list, json_string_value(v)));
	json_object_foreach(names, key, v)
		TRY(check_there(sites, list, key));
	return 0;
}

/* Is there a module for each name? */
static int check_targets(const struct adapter_sites *sites, json_t *config)
{
	json_t *rule;
	size_t i;

	if (json_is_array(json_object_get(config, "target_modules")))
		TRY(check_listed(sites, config, "target_modules"));
	json_array_foreach(json_object_get(config, "rules"), i, rule)
		TRY(check_targets(sites, rule));
	return 0;
}

/* Is there a module for each pattern? */
static int check_used(const struct adapter_set *s, json_t *config,
		      const char *key)
{
	const char *pattern;
	json_t *v;

	json_object_foreach(json_object_get(config, key), pattern, v) {
		json_t *one = json_pack("{s:O}", pattern, v), *x = NULL;
		int err = one ? 0 : err_set(E_NOMEM, "out of memory");

		for (size_t i = 0; i < s->n && !x && !err; i++)
			err = match_pattern(one, s->at[i].module, &x);
		json_decref(one);
		TRY(err);
		if (!x)
			return err_set(E_CONFIG, "%s: no module with an "
				       "adapter matches %s", key, pattern);
	}
	return 0;
}

int adapter_set_make(struct adapter_set *s, json_t *config,
		     const struct adapter_sites *sites)
{
	size_t whole = 0;

	TRY(spec_check(config));
	for (size_t i = 0; i < sites->n; i++)
		TRY(add_site(s, config, &sites->at[i]));
	for (size_t i = 0; i < s->n; i++)
		whole += !spec_is_target(&s->at[i]);
	TRY(check_listed(sites, config, adapt_full.list));
	TRY(check_listed(sites, config, adapt_tokens.list));
	TRY(check_targets(sites, config));
	if (s->n == whole && !(whole && !json_array_size(json_object_get(
						config, "target_modules"))))
		return err_set(E_CONFIG, "no module of the base matches "
			       "target_modules");
	TRY(check_used(s, config, "rank_pattern"));
	TRY(check_used(s, config, "alpha_pattern"));
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

/* The kind with a list of its own whose mark is there; NULL: none's. */
static const struct adapter_kind *listed_kind(const struct tensor_set *t,
					      const char *module)
{
	const struct adapter_kind *k;

	for (size_t i = 0; (k = adapter_kind_at(i)); i++)
		if (k->list && param_of(t, module, k->mark))
			return k;
	return NULL;
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
	kind = listed_kind(t, site->module);
	if (!kind)
		kind = adapter_kind_for(o.kind, site->role);
	if (!kind)
		return err_set(E_CONFIG, "no adapter kind \"%s\"", o.kind);
	mark = param_of(t, site->module, kind->mark);
	if (!mark && o.bias)
		o.kind = adapt_bias.name;
	if (!mark)
		return o.bias ? adapter_set_add(s, site, &o) : 0;
	if (kind->list)
		o.kind = kind->name;
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
	TRY(spec_check(config));
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
