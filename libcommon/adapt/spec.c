#include "adapt/spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapt/match.h"
#include "adapt/spec_parts.h"

/* ---- making ---- */

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

/* The options of one module, patterns applied. */
static int options_for(struct adapter_options *o, json_t *config,
		       const char *module)
{
	json_t *v;
	double rank = json_number(config, "r", 8);

	*o = (struct adapter_options){
		.kind = json_text(config, "kind", "lora"),
		.rank = (size_t)rank,
		.alpha = json_number(config, "alpha", 2 * rank),
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

static int wants(json_t *config, const struct adapter_site *s,
		 const struct adapter_kind **listed, int *beside)
{
	const struct adapter_kind *k =
		adapter_kind_find(json_text(config, "kind", "lora"));
	int excluded;

	*listed = NULL;
	*beside = 0;
	if (s->front || (k && k->front)) {
		*beside = s->front && k && k->front;
		return 0;
	}
	*listed = adapter_kind_listed(config, s->module);
	TRY(match_rule(json_object_get(config, "target_modules"), s->module,
		       s->role, beside));
	TRY(match_rule(json_object_get(config, "exclude_modules"), s->module,
		       s->role, &excluded));
	if (*listed && (*listed)->follows && *beside && !excluded)
		return err_set(E_CONFIG, "%s: some of its rows are trained "
			       "(%s), so it can have no adapter besides",
			       s->module, (*listed)->list);
	*beside = *beside && !*listed && !excluded &&
		  match_layer(json_object_get(config, "layers_to_transform"),
				s->module);
	return 0;
}

int adapter_wanted(struct adapter_options *o, json_t *config,
		   const struct adapter_site *site, int *yes)
{
	const struct adapter_kind *listed;
	int beside;

	TRY(wants(config, site, &listed, &beside));
	*yes = listed || beside;
	if (!*yes)
		return 0;
	TRY(options_for(o, config, site->module));
	if (listed)
		o->kind = listed->name;
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
	for (size_t i = 0; i < sites->n; i++)
		if (match_name(sites->at[i].module, name))
			return 0;
	return err_set(E_CONFIG, "%s: the base has no matrix %s.weight", list,
		       name);
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

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Adds the last words of the adapters' names (or, with whole, all of each),
 * sorted, each once. */
static int name_targets(json_t *list, const struct adapter_set *s, int whole)
{
	const char **name = calloc(s->n + 1, sizeof(*name));
	size_t n = 0;

	if (!name)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < s->n; i++) {
		const char *module = s->at[i].module;
		const char *dot = whole ? NULL : strrchr(module, '.');

		if (!s->at[i].kind->list)
			name[n++] = dot ? dot + 1 : module;
	}
	qsort(name, n, sizeof(*name), compare_names);
	for (size_t i = 0; i < n; i++)
		if (!i || strcmp(name[i], name[i - 1]))
			json_array_append_new(list, json_string(name[i]));
	free(name);
	return 0;
}

/* Does the list of last words name modules that have no adapter? */
static int names_others(json_t *list, const struct adapter_set *s,
			const struct adapter_sites *sites)
{
	for (size_t i = 0; i < sites->n; i++) {
		const struct adapter_site *site = &sites->at[i];
		int yes;

		if (!match_rule(list, site->module, site->role, &yes) && yes &&
		    !adapter_set_find(s, site->module))
			return 1;
	}
	return 0;
}

/* Whole numbers are written without a point. */
static json_t *number(double x)
{
	json_int_t whole = (json_int_t)x;

	return (double)whole == x ? json_integer(whole) : json_real(x);
}

static double rank_of(json_t *config)
{
	return json_number(config, "r", 8);
}

static double alpha_of(json_t *config)
{
	return json_number(config, "alpha", 2 * rank_of(config));
}

/* Patterns by whole names: the order of an object's keys may change on its
 * way, and the first match would be another. */
static int describe_patterns(struct adapter_set *s, json_t *config)
{
	json_t *ranks = json_object(), *alphas = json_object();

	if (json_object_set_new(s->config, "rank_pattern", ranks) ||
	    json_object_set_new(s->config, "alpha_pattern", alphas))
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < s->n; i++) {
		const struct adapter *a = &s->at[i];

		if (a->kind->list)
			continue;
		if ((double)a->rank != rank_of(config))
			json_object_set_new(ranks, a->module,
					    number((double)a->rank));
		if (a->alpha != alpha_of(config))
			json_object_set_new(alphas, a->module,
					    number(a->alpha));
	}
	return 0;
}

static int describe_kinds(struct adapter_set *s, json_t *d)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->at[i].kind->describe)
			TRY(s->at[i].kind->describe(&s->at[i], d));
	return 0;
}

/* s->config: config with what was left out said, and targets as names. */
static int describe(struct adapter_set *s, json_t *config,
		    const struct adapter_sites *sites)
{
	json_t *d = json_copy(config), *list = json_array();

	s->config = d;
	if (!d || !list || json_object_set_new(d, "target_modules", list))
		return err_set(E_NOMEM, "out of memory");
	TRY(name_targets(list, s, 0));
	if (names_others(list, s, sites)) {
		json_array_clear(list);
		TRY(name_targets(list, s, 1));
	}
	if (adapter_set_front(s)) {
		json_object_del(d, "target_modules");
		return describe_kinds(s, d);
	}
	json_object_set_new(d, "kind",
			    json_string(json_text(config, "kind", "lora")));
	json_object_set_new(d, "r", number(rank_of(config)));
	json_object_set_new(d, "alpha", number(alpha_of(config)));
	json_object_set_new(d, "dropout",
			    number(json_number(config, "dropout", 0)));
	json_object_set_new(d, "rslora",
			    json_boolean(json_flag(config, "rslora", 0)));
	json_object_del(d, "exclude_modules");
	json_object_del(d, "layers_to_transform");
	if (!json_is_array(json_object_get(d, "modules_to_save")))
		json_object_set_new(d, "modules_to_save", json_array());
	TRY(describe_kinds(s, d));
	return describe_patterns(s, config);
}

int adapter_set_make(struct adapter_set *s, json_t *config,
		     const struct adapter_sites *sites)
{
	size_t whole = 0;

	TRY(spec_check(config));
	for (size_t i = 0; i < sites->n; i++)
		TRY(add_site(s, config, &sites->at[i]));
	for (size_t i = 0; i < s->n; i++)
		whole += s->at[i].kind->list != NULL;
	TRY(check_listed(sites, config, adapt_full.list));
	TRY(check_listed(sites, config, adapt_tokens.list));
	if (s->n == whole && !(whole && !json_array_size(json_object_get(
						config, "target_modules"))))
		return err_set(E_CONFIG, "no module of the base matches "
			       "target_modules");
	return describe(s, config, sites);
}

/* ---- reading ---- */

static struct tensor *param_of(const struct tensor_set *t, const char *module,
			       const char *param)
{
	char name[TENSOR_NAME];

	snprintf(name, sizeof(name), "%s.%s", module, param);
	return tensor_set_find(t, name);
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

	TRY(options_for(&o, config, site->module));
	kind = listed_kind(t, site->module);
	if (!kind)
		kind = adapter_kind_for(o.kind, site->role);
	if (!kind)
		return err_set(E_CONFIG, "no adapter kind \"%s\"", o.kind);
	mark = param_of(t, site->module, kind->mark);
	if (!mark)
		return 0;
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
