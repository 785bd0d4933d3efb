/*
 * The configuration of what was made. Rules that differ in ranks, alphas and
 * names alone become one description with patterns, as if those had been asked
 * for; others stay rules, each with the whole names of its modules.
 */
#include "adapt/spec_parts.h"

#include <stdlib.h>
#include <string.h>

#include "adapt/match.h"
#include "base/size.h"

/* Some of a set's adapters. */
struct picked {
	const struct adapter **at;
	size_t n;
};

static int out_of_memory(void)
{
	return err_set(E_NOMEM, "out of memory");
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Adds the last words of the adapters' names (or, with whole, all of each),
 * sorted, each once. */
static int name_targets(json_t *list, const struct picked *p, int whole)
{
	const char **name = calloc(p->n + 1, sizeof(*name));
	size_t n = 0;

	if (!name)
		return out_of_memory();
	for (size_t i = 0; i < p->n; i++) {
		const char *module = p->at[i]->module;
		const char *dot = whole ? NULL : strrchr(module, '.');

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

/* Patterns by whole names: the order of an object's keys may change on its
 * way, and the first match would be another. */
static int describe_patterns(json_t *d, const struct picked *p)
{
	json_t *ranks = json_object(), *alphas = json_object();

	if (json_object_set_new(d, "rank_pattern", ranks) ||
	    json_object_set_new(d, "alpha_pattern", alphas))
		return out_of_memory();
	for (size_t i = 0; i < p->n; i++) {
		const struct adapter *a = p->at[i];

		if ((double)a->rank != spec_rank(d))
			json_object_set_new(ranks, a->module,
					    number((double)a->rank));
		if (a->alpha != spec_alpha(d))
			json_object_set_new(alphas, a->module,
					    number(a->alpha));
	}
	return 0;
}

/* d: a copy of what asked for the adapters. */
static int describe_options(json_t *d, const struct picked *p)
{
	json_t *kind = json_string(json_text(d, "kind", "lora"));

	if (json_object_set_new(d, "kind", kind) ||
	    json_object_set_new(d, "r", number(spec_rank(d))) ||
	    json_object_set_new(d, "alpha", number(spec_alpha(d))) ||
	    json_object_set_new(d, "dropout",
				number(json_number(d, "dropout", 0))) ||
	    json_object_set_new(d, "rslora",
				json_boolean(json_flag(d, "rslora", 0))))
		return out_of_memory();
	json_object_del(d, "exclude_modules");
	json_object_del(d, "layers_to_transform");
	for (size_t i = 0; i < p->n; i++)
		if (p->at[i]->kind->describe)
			TRY(p->at[i]->kind->describe(p->at[i], d));
	return describe_patterns(d, p);
}

static int describe_all(struct adapter_set *s, json_t *config,
			const struct adapter_sites *sites,
			const struct picked *p)
{
	json_t *d = json_copy(config), *list = json_array();

	s->config = d;
	if (!d || !list || json_object_set_new(d, "target_modules", list))
		return out_of_memory();
	TRY(name_targets(list, p, 0));
	if (names_others(list, s, sites)) {
		json_array_clear(list);
		TRY(name_targets(list, p, 1));
	}
	if (!json_is_array(json_object_get(d, "modules_to_save")) &&
	    json_object_set_new(d, "modules_to_save", json_array()))
		return out_of_memory();
	return describe_options(d, p);
}

/* ---- rules ---- */

/* The adapters that a rule gave their options. */
static int pick(struct picked *of, json_t *rule, json_t *config,
		const struct picked *p)
{
	of->n = 0;
	for (size_t i = 0; i < p->n; i++) {
		const struct adapter_site site = {
			.module = p->at[i]->module, .role = p->at[i]->role,
		};
		json_t *own;

		TRY(spec_find(&own, config, &site));
		if (own == rule)
			of->at[of->n++] = p->at[i];
	}
	return 0;
}

/* A rule without what a description with patterns can say. */
static json_t *essence(json_t *rule)
{
	static const char *const other[] = {
		"target_modules", "exclude_modules", "layers_to_transform",
		"r", "alpha",
	};
	const struct adapter_kind *kind = adapter_kind_find(
					json_text(rule, "kind", "lora"));
	json_t *e = json_copy(rule);
	size_t n = NELEM(other);

	if (kind && kind->keys) /* what it has by itself may follow from r */
		n -= 2;
	for (size_t i = 0; e && i < n; i++)
		json_object_del(e, other[i]);
	return e;
}

static int alike(json_t *a, json_t *b)
{
	json_t *x = essence(a), *y = essence(b);
	int same = x && y && json_equal(x, y);

	json_decref(x);
	json_decref(y);
	return same;
}

/* used: the rules that gave something. */
static int describe_alike(struct adapter_set *s, json_t *config, json_t *used,
			  const struct adapter_sites *sites,
			  const struct picked *p)
{
	static const char *const common[] = { "modules_to_save", "bias" };
	json_t *one = json_copy(json_array_get(used, 0));
	int err = one ? 0 : out_of_memory();

	for (size_t i = 0; !err && i < NELEM(common); i++) {
		json_t *v = json_object_get(config, common[i]);

		if (v && json_object_set(one, common[i], v))
			err = out_of_memory();
	}
	if (err) {
		json_decref(one);
		return err;
	}
	err = describe_all(s, one, sites, p);
	json_decref(one);
	return err;
}

static int describe_each(struct adapter_set *s, json_t *config, json_t *used,
			 const struct picked *p, struct picked *of)
{
	json_t *rules = json_array(), *rule;
	size_t i;

	s->config = json_copy(config);
	if (!s->config || json_object_set_new(s->config, "rules", rules))
		return out_of_memory();
	json_array_foreach(used, i, rule) {
		json_t *d = json_copy(rule), *list = json_array();

		if (json_array_append_new(rules, d) ||
		    json_object_set_new(d, "target_modules", list))
			return out_of_memory();
		TRY(pick(of, rule, config, p));
		TRY(name_targets(list, of, 1));
		TRY(describe_options(d, of));
	}
	if (!json_is_array(json_object_get(s->config, "modules_to_save")) &&
	    json_object_set_new(s->config, "modules_to_save", json_array()))
		return out_of_memory();
	return 0;
}

static int describe_rules(struct adapter_set *s, json_t *config,
			  const struct adapter_sites *sites,
			  const struct picked *p, struct picked *of)
{
	json_t *used = json_array(), *rule;
	size_t i;
	int err = used ? 0 : out_of_memory(), same = 1;

	json_array_foreach(json_object_get(config, "rules"), i, rule) {
		if (!err)
			err = pick(of, rule, config, p);
		if (!err && of->n && json_array_append(used, rule))
			err = out_of_memory();
	}
	json_array_foreach(used, i, rule)
		same &= alike(json_array_get(used, 0), rule);
	if (!err && same && json_array_size(used))
		err = describe_alike(s, config, used, sites, p);
	else if (!err)
		err = describe_each(s, config, used, p, of);
	json_decref(used);
	return err;
}

/* What kinds with a list of their own say. */
static int describe_listed(struct adapter_set *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (!spec_is_target(&s->at[i]) && s->at[i].kind->describe)
			TRY(s->at[i].kind->describe(&s->at[i], s->config));
	return 0;
}

/* A soft prompt has no modules. */
static int describe_front(struct adapter_set *s, json_t *config)
{
	s->config = json_copy(config);
	if (!s->config)
		return out_of_memory();
	json_object_del(s->config, "target_modules");
	for (size_t i = 0; i < s->n; i++)
		if (s->at[i].kind->describe)
			TRY(s->at[i].kind->describe(&s->at[i], s->config));
	return 0;
}

int spec_describe(struct adapter_set *s, json_t *config,
		  const struct adapter_sites *sites)
{
	struct picked p = { calloc(2 * s->n + 1, sizeof(*p.at)), 0 };
	struct picked of = { p.at ? p.at + s->n : NULL, 0 };
	int err;

	if (!p.at)
		return out_of_memory();
	if (adapter_set_front(s)) {
		free(p.at);
		return describe_front(s, config);
	}
	for (size_t i = 0; i < s->n; i++)
		if (spec_is_target(&s->at[i]))
			p.at[p.n++] = &s->at[i];
	if (json_object_get(config, "rules"))
		err = describe_rules(s, config, sites, &p, &of);
	else
		err = describe_all(s, config, sites, &p);
	free(p.at);
	return err ? err : describe_listed(s);
}
