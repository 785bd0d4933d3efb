/* What a recipe makes of a model's modules, before anything is done */
#include "train/recipe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/family_sites.h"
#include "base/size.h"
#include "base/suffix.h"

static int is_for(const struct recipe_rule *rule, const char *module,
		  enum tensor_role role, int *yes)
{
	const struct adapter_site site = { .module = module, .role = role };
	struct adapter_options o;

	return adapter_wanted(&o, rule->where, &site, yes);
}

/* The first rule for a module that is not silent about it: store 1: about how
 * it is stored, 0: about its adapter. r->n: there is none. */
static int first_for(const struct recipe *r, const char *module,
		     enum tensor_role role, int store, size_t *at)
{
	int yes = 0;

	for (*at = 0; *at < r->n; (*at)++) {
		const struct recipe_rule *rule = &r->at[*at];

		if (store ? !rule->store : !rule->adapter)
			continue;
		TRY(is_for(rule, module, role, &yes));
		if (yes)
			return 0;
	}
	return 0;
}

int recipe_store(const struct recipe *r, const char *weight,
		 const struct recipe_rule **rule)
{
	static const char end[] = ".weight";
	char module[TENSOR_NAME];
	size_t n, at;

	*rule = NULL;
	if (!suffix_is(weight, end))
		return 0;
	n = strlen(weight) - strlen(end);
	if (n >= sizeof(module))
		return 0;
	memcpy(module, weight, n);
	module[n] = 0;
	TRY(first_for(r, module, ROLE_LINEAR, 1, &at));
	*rule = at < r->n ? &r->at[at] : NULL;
	return 0;
}

int recipe_ours(const struct recipe *r, enum recipe_store store,
		const char *weight, const struct recipe_rule **rule)
{
	TRY(recipe_store(r, weight, rule));
	if (*rule && (*rule)->store != store)
		*rule = NULL;
	return 0;
}

/* ---- rules that do nothing ---- */

struct use {
	int here, says; /* it is for a module; it decides for one */
};

static int count(struct use *use, const struct recipe *r,
		 const struct adapter_site *s)
{
	size_t store, adapter;
	int yes;

	for (size_t i = 0; i < r->n; i++) {
		TRY(is_for(&r->at[i], s->module, s->role, &yes));
		use[i].here |= yes;
	}
	TRY(first_for(r, s->module, s->role, 1, &store));
	TRY(first_for(r, s->module, s->role, 0, &adapter));
	if (store < r->n && s->role == ROLE_LINEAR)
		use[store].says = 1;
	if (adapter < r->n)
		use[adapter].says = 1;
	return 0;
}

int recipe_matches(const struct recipe *r, const struct adapter_sites *sites)
{
	struct use *use = calloc(r->n + 1, sizeof(*use));
	int err = use ? 0 : err_set(E_NOMEM, "out of memory");

	for (size_t i = 0; !err && i < sites->n; i++)
		err = count(use, r, &sites->at[i]);
	for (size_t i = 0; !err && i < r->n; i++) {
		if (!use[i].here)
			err = err_set(E_CONFIG, "the recipe: rule %zu is for "
				      "no module of the base, which has such "
				      "as %s", i + 1, sites->n ?
				      sites->at[sites->n / 2].module : "none");
		else if (!use[i].says)
			err = err_set(E_CONFIG, "the recipe: rule %zu has "
				      "nothing to say: the rules before it "
				      "are for all of its modules", i + 1);
	}
	free(use);
	return err;
}

int recipe_fits(const char *text, const struct adapter_sites *sites)
{
	struct recipe r;
	int err = recipe_open(&r, text);

	if (!err)
		err = recipe_matches(&r, sites);
	recipe_release(&r);
	return err;
}

/* ---- rules that do not go together ---- */

/* The site as the recipe's quantiser leaves it. */
static int quantised(const struct recipe *r, struct adapter_site *s)
{
	struct tensor t = { .rank = 2, .shape = { s->out, s->in },
			    .count = s->out * s->in };
	size_t at;
	int err;

	s->group = 0;
	if (s->role != ROLE_LINEAR)
		return 0;
	TRY(first_for(r, s->module, s->role, 1, &at));
	if (at == r->n || r->at[at].store != RECIPE_INT)
		return 0;
	t.name = (char *)s->module;
	err = quant_int_group(&s->group, &t, &r->at[at].whole);
	return err ? err_at(err, "the recipe: rule %zu", at + 1) : 0;
}

/* {"rules": [...]}; the caller's. */
static int adapters(json_t **config, const struct recipe *r)
{
	json_t *rules = json_array();
	int full = 0, makes = 0;

	*config = json_object();
	if (!*config || json_object_set_new(*config, "rules", rules))
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < r->n; i++) {
		json_t *one = r->at[i].adapter;

		if (!one)
			continue;
		full |= json_array_append(rules, one);
		makes |= strcmp(json_text(one, "kind", ""), "none") != 0;
	}
	if (full)
		return err_set(E_NOMEM, "out of memory");
	return makes ? 0 : err_set(E_CONFIG, "the recipe: no rule makes an "
				   "adapter: give one an \"adapter\"");
}

int recipe_plan(const struct recipe *r, struct adapter_sites *sites)
{
	struct adapter_set set = { 0 };
	json_t *config = NULL;
	int err = recipe_matches(r, sites);

	for (size_t i = 0; !err && i < sites->n; i++)
		err = quantised(r, &sites->at[i]);
	if (!err && !adapters(&config, r)) { /* it may be of storage alone */
		err = adapter_set_make(&set, config, sites);
		if (!err)
			err = adapter_set_check(&set, ADAPT_ANY_STEPS);
	}
	adapter_set_release(&set);
	json_decref(config);
	return err ? err_at(err, "the recipe") : 0;
}

int recipe_meets(const struct recipe *r, json_t *config)
{
	struct adapter_sites sites = { 0 };
	int err = 0;

	if (!family_sites(&sites, config))
		err = recipe_plan(r, &sites);
	adapter_sites_release(&sites);
	return err;
}

/* ---- options ---- */

static int is_one_of(const char *name, const char *names)
{
	size_t n = strlen(name);

	for (const char *p = names; p; p = strchr(p, ' ')) {
		p += *p == ' ';
		if (!strncmp(p, name, n) && (!p[n] || p[n] == ' '))
			return 1;
	}
	return 0;
}

/* With a recipe, the rules say what these options would. */
static int check_options(struct opt *table, const char *may)
{
	for (struct opt *o = table; o->name; o++) {
		if (is_one_of(o->name, may))
			continue;
		if (o->given)
			return err_set(E_USAGE, "--%s: with --recipe, the "
				       "rules say it", o->name);
		o->flags &= ~(unsigned)OPT_RECORD;
	}
	return 0;
}

int recipe_given(struct recipe *r, const char **option, struct opt *table,
		 const char *may)
{
	if (!*option)
		return 0;
	TRY(check_options(table, may));
	TRY(recipe_take(option));
	return recipe_open(r, *option);
}

/* ---- the adapter's configuration ---- */

/* Options of adapters in p's table. */
static int check_choice(const struct opt_program *p)
{
	static struct adapter_choice unused;
	static const struct opt row[] = { ADAPTER_OPTIONS(unused), { 0 } };

	for (size_t i = 0; row[i].name; i++) {
		struct opt *o = opt_find(p, row[i].name);
		struct opt one[2] = { *o, { 0 } };

		TRY(check_options(one, "recipe seed bias "
				  "modules-to-save"));
		o->flags = one[0].flags;
	}
	return 0;
}

/* What the command line says for all rules. */
static int add_common(json_t *config, const struct adapter_choice *c)
{
	static const char *const key[] = { "modules_to_save", "bias" };
	json_t *plain;
	int err = adapter_choice_config(&plain, c, NULL);

	for (size_t i = 0; !err && i < NELEM(key); i++) {
		json_t *v = json_object_get(plain, key[i]);

		if (v && json_object_set(config, key[i], v))
			err = err_set(E_NOMEM, "out of memory");
	}
	json_decref(plain);
	return err;
}

int recipe_config(json_t **config, struct adapter_choice *c,
		  const struct opt_program *p, json_t *more)
{
	struct recipe r;
	int err;

	*config = NULL;
	if (!c->recipe)
		return adapter_choice_config(config, c, more);
	TRY(check_choice(p));
	err = recipe_open(&r, c->recipe);
	if (!err)
		err = adapters(config, &r);
	if (!err)
		err = add_common(*config, c);
	recipe_release(&r);
	return err;
}
