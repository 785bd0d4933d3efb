#include "train/recipe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"

enum { RECIPE_BYTES = 1 << 20 };

int recipe_take(const char **option)
{
	const char *path = *option;
	json_t *root;
	char *text;
	int err;

	if (!path)
		return 0;
	err = json_read_file(&root, path, RECIPE_BYTES);
	if (err)
		return err == E_DATA ? E_CONFIG : err;
	err = json_print(&text, root, 0);
	json_decref(root);
	if (!err)
		*option = text;
	return err;
}

/* ---- reading a rule ---- */

/* What the options of a part are read into: opt_within() has them there. */
static struct adapter_choice choice = ADAPTER_CHOICE;
static struct nf4_choice nf4 = NF4_CHOICE;
static struct int_choice whole = INT_CHOICE;
static struct opt adapter_rows[] = { ADAPTER_OPTIONS(choice), { 0 } };
static struct opt nf4_rows[] = { NF4_OPTIONS(nf4), { 0 } };
static struct opt int_rows[] = { INT_OPTIONS(whole), { 0 } };

struct reading {
	struct recipe *recipe;
	struct recipe_rule *rule;
	json_t *config;         /* of the adapter's options */
};

static int take_adapter(void *ctx)
{
	struct reading *r = ctx;
	const struct adapter_kind *kind = adapter_kind_find(choice.method);

	if (kind && kind->front)
		return err_set(E_CONFIG, "--method %s stands before the text "
			       "and at no module; train it alone, without a "
			       "recipe's adapters", choice.method);
	if (strcmp(adapter_init_name(choice.init), "default") &&
	    strcmp(adapter_init_name(choice.init), "gaussian"))
		return err_set(E_CONFIG, "init: %s changes the base, for all "
			       "modules alike: lora-init --init %s without a "
			       "recipe", adapter_init_name(choice.init),
			       adapter_init_name(choice.init));
	return adapter_choice_config(&r->config, &choice, NULL);
}

static int take_nf4(void *ctx)
{
	struct reading *r = ctx;

	r->rule->store = RECIPE_NF4;
	return nf4_choice_how(&r->rule->nf4, &r->rule->icq, &nf4);
}

static int take_int(void *ctx)
{
	struct reading *r = ctx;

	r->rule->store = RECIPE_INT;
	r->rule->gptq = whole.gptq;
	return int_choice_how(&r->rule->whole, &r->recipe->entropy, &whole);
}

/* Where: the keys of a rule, and the options that they are. */
static const char *const places[][2] = {
	{ "modules", "target-modules" }, { "exclude", "exclude-modules" },
	{ "layers", "layers" },
};

/* Options of adapters that a rule has no use for. */
static const char *const not_here[] = {
	"target-modules", "exclude-modules", "layers", "rank-pattern",
	"alpha-pattern", "modules-to-save", "bias", "seed", "recipe",
};

static int check_adapter(json_t *options)
{
	const struct opt_program p = { .own = adapter_rows };
	const char *key;
	json_t *v;

	json_object_foreach(options, key, v) {
		const struct opt *o = opt_find(&p, key);

		for (size_t i = 0; o && i < NELEM(not_here); i++)
			if (!strcmp(o->name, not_here[i]))
				return err_set(E_CONFIG, "%s: is not for one "
					       "rule; \"modules\" and "
					       "\"layers\" say where", key);
	}
	return 0;
}

/* The configuration that options and places make. */
static int read_config(json_t **config, struct reading *r, json_t *rule,
		       json_t *options)
{
	json_t *all = options ? json_copy(options) : json_object();
	int err = all ? check_adapter(all) :
			err_set(E_NOMEM, "out of memory");

	for (size_t i = 0; !err && i < NELEM(places); i++) {
		json_t *v = json_object_get(rule, places[i][0]);

		if (v && json_object_set(all, places[i][1], v))
			err = err_set(E_NOMEM, "out of memory");
	}
	if (!err)
		err = opt_within(adapter_rows, all, take_adapter, r);
	*config = r->config;
	r->config = NULL;
	json_decref(all);
	return err;
}

static int read_adapter(struct reading *r, json_t *rule, json_t *v)
{
	int err;

	if (!json_is_false(v) && !json_is_object(v))
		return err_set(E_CONFIG, "adapter: want an object of "
			       "lora-init's options, or false");
	err = read_config(&r->rule->adapter, r, rule,
			  json_is_object(v) ? v : NULL);
	if (!err && json_is_false(v) &&
	    json_object_set_new(r->rule->adapter, "kind", json_string("none")))
		err = err_set(E_NOMEM, "out of memory");
	return err ? err_at(E_CONFIG, "adapter") : 0;
}

static int read_store(struct reading *r, const char *key, json_t *v)
{
	int is_nf4 = !strcmp(key, "quantize-nf4");

	if (r->rule->store)
		return err_set(E_CONFIG, "%s: the rule has another way to "
			       "store", key);
	if (!json_is_object(v))
		return err_set(E_CONFIG, "%s: want an object of its options, "
			       "such as {}", key);
	if (opt_within(is_nf4 ? nf4_rows : int_rows, v,
		       is_nf4 ? take_nf4 : take_int, r))
		return err_at(E_CONFIG, "%s", key);
	return 0;
}

static int read_key(struct reading *r, json_t *rule, const char *key, json_t *v)
{
	for (size_t i = 0; i < NELEM(places); i++)
		if (!strcmp(key, places[i][0]))
			return 0;
	if (!strcmp(key, "comment"))
		return 0;
	if (!strcmp(key, "adapter"))
		return read_adapter(r, rule, v);
	if (!strcmp(key, "quantize-nf4") || !strcmp(key, "quantize-int"))
		return read_store(r, key, v);
	if (strcmp(key, "keep"))
		return err_set(E_CONFIG, "unknown key '%s', want modules, "
			       "exclude, layers, keep, quantize-nf4, "
			       "quantize-int or adapter", key);
	if (!json_is_true(v) || r->rule->store)
		return err_set(E_CONFIG, "keep: is true, and the only way to "
			       "store of its rule");
	r->rule->store = RECIPE_KEEP;
	return 0;
}

static int read_rule(struct reading *r, json_t *rule)
{
	const char *key;
	json_t *v;

	if (!json_is_object(rule))
		return err_set(E_CONFIG, "is no object");
	json_object_foreach(rule, key, v)
		TRY(read_key(r, rule, key, v));
	if (!r->rule->store && !r->rule->adapter)
		return err_set(E_CONFIG, "says nothing: want keep, "
			       "quantize-nf4, quantize-int or adapter");
	return read_config(&r->rule->where, r, rule, NULL);
}

static int read_all(struct recipe *r, json_t *root)
{
	json_t *rules = json_object_get(root, "rules"), *v;
	const char *key;

	json_object_foreach(root, key, v)
		if (strcmp(key, "rules") && strcmp(key, "comment"))
			return err_set(E_CONFIG, "unknown key '%s', want "
				       "rules", key);
	if (!json_array_size(rules))
		return err_set(E_CONFIG, "want {\"rules\": [{...} ...]}");
	r->at = calloc(json_array_size(rules), sizeof(*r->at));
	if (!r->at)
		return err_set(E_NOMEM, "out of memory");
	for (r->n = 0; r->n < json_array_size(rules); r->n++) {
		struct reading one = { .recipe = r, .rule = &r->at[r->n] };
		int err = read_rule(&one, json_array_get(rules, r->n));

		if (err) {
			r->n++;
			return err_at(E_CONFIG, "rule %zu", r->n);
		}
	}
	return 0;
}

int recipe_open(struct recipe *r, const char *text)
{
	json_t *root;
	int err = json_parse(&root, text, strlen(text));

	memset(r, 0, sizeof(*r));
	if (!err)
		err = read_all(r, root);
	json_decref(root);
	return err ? err_at(E_CONFIG, "the recipe") : 0;
}

void recipe_release(struct recipe *r)
{
	for (size_t i = 0; i < r->n; i++) {
		json_decref(r->at[i].where);
		json_decref(r->at[i].adapter);
	}
	free(r->at);
	r->at = NULL;
	r->n = 0;
}

int recipe_stores(const struct recipe *r, enum recipe_store store, int gptq)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->at[i].store == store && (!gptq || r->at[i].gptq))
			return 1;
	return 0;
}
