#include "formats/peft_config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/regex.h"
#include "base/size.h"
#include "base/suffix.h"
#include "formats/peft_front.h"
#include "formats/peft_kinds.h"

/* Keys that say nothing about what an adapter computes, and those that are
 * used here. Any other that is set to something is refused. */
static const char *const harmless[] = {
	"alpha_pattern", "auto_mapping", "base_model_name_or_path",
	"beta1", "beta2", "bias", "corda_config", "deltaT",
	"ensure_weight_tying", "eva_config",
	"exclude_modules", "fan_in_fan_out", "inference_mode",
	"init_lora_weights", "init_r",
	"layers_pattern", "layers_to_transform", "loftq_config",
	"lora_alpha", "lora_dropout", "lora_ga_config", "megatron_config",
	"megatron_core", "modules_to_save", "orth_reg_weight", "peft_type",
	"peft_version",
	"qalora_group_size", "r", "rank_pattern", "revision",
	"runtime_config", "target_modules", "target_r", "task_type", "tfinal",
	"tinit", "total_step", "trainable_token_indices", "use_rslora",
};

static int is_set(json_t *v)
{
	return v && !json_is_null(v) && !json_is_false(v) &&
	       !(json_is_array(v) && !json_array_size(v)) &&
	       !(json_is_object(v) && !json_object_size(v));
}

static int is_harmless(const char *key)
{
	for (size_t i = 0; i < NELEM(harmless); i++)
		if (!strcmp(key, harmless[i]))
			return 1;
	return peft_is_flag(key);
}

/* First values that leave the base as it is. */
static int check_start(json_t *peft)
{
	const char *how = json_text(peft, "init_lora_weights", "gaussian");

	if (strcmp(how, "gaussian") && strcmp(how, "eva") &&
	    strcmp(how, "orthogonal"))
		return err_set(E_DATA, "init_lora_weights: %s changed the "
			       "base too, which is not here; please convert "
			       "the adapter when saving it", how);
	return 0;
}

static int check_patterns(json_t *peft, const char *name, int whole)
{
	json_t *patterns = json_object_get(peft, name), *v;
	const char *key;

	if (patterns && !json_is_null(patterns) && !json_is_object(patterns))
		return err_set(E_DATA, "%s: is no object", name);
	json_object_foreach(patterns, key, v)
		if (!json_is_number(v) || json_number_value(v) <= 0 ||
		    (whole && !json_is_integer(v)))
			return err_set(E_DATA, "%s: the value of %s is no "
				       "positive number", name, key);
	return 0;
}

static int check_names(json_t *peft, const char *name)
{
	json_t *list = json_object_get(peft, name), *v;
	size_t i;

	if (!list || json_is_null(list) || json_is_string(list))
		return 0;
	if (!json_is_array(list))
		return err_set(E_DATA, "%s: is no list", name);
	json_array_foreach(list, i, v)
		if (!json_is_string(v))
			return err_set(E_DATA, "%s: entry %zu is no name",
				       name, i + 1);
	return 0;
}

/* AdaLoRA's rank_pattern is lists of which ranks were kept. */
static int is_adalora(json_t *peft)
{
	return !strcmp(json_text(peft, "peft_type", ""), "ADALORA");
}

/* The rank before any was pruned. */
static double made_rank(json_t *peft)
{
	return is_adalora(peft) ? json_number(peft, "init_r", 12) :
				  json_number(peft, "r", 8);
}

int peft_config_check(json_t *peft)
{
	const char *key, *bias;
	double rank = made_rank(peft);
	double alpha = json_number(peft, "lora_alpha", 8);
	double dropout = json_number(peft, "lora_dropout", 0);
	json_t *v;

	if (!json_is_object(peft) || !peft_kind_of(peft))
		return err_set(E_DATA, "peft_type: %.40s is not read, want "
			       "LORA, ADALORA, PROMPT_TUNING, P_TUNING or "
			       "PREFIX_TUNING",
			       json_text(peft, "peft_type", "(none)"));
	if (peft_kind_of(peft)->front)
		return peft_front_check(peft);
	bias = json_text(peft, "bias", "none");
	if (strcmp(bias, "none") && strcmp(bias, "all") &&
	    strcmp(bias, "lora_only"))
		return err_set(E_DATA, "bias: %.40s is not known here", bias);
	json_object_foreach(peft, key, v)
		if (!is_harmless(key) && is_set(v))
			return err_set(E_DATA, "%s: is not known here, and "
				       "may change what the adapter computes",
				       key);
	if (!(rank >= 1 && rank <= 1 << 20) || floor(rank) < rank ||
	    !(alpha > 0 && alpha < 1e9) || !(dropout >= 0 && dropout < 1))
		return err_set(E_DATA, "r, lora_alpha or lora_dropout is "
			       "outside its range");
	TRY(check_start(peft));
	TRY(check_names(peft, "target_modules"));
	TRY(check_names(peft, "modules_to_save"));
	if (!is_adalora(peft))
		TRY(check_patterns(peft, "rank_pattern", 1));
	return check_patterns(peft, "alpha_pattern", 0);
}

int peft_config_begin(struct peft_config *c, json_t *peft)
{
	*c = (struct peft_config){
		.peft = peft, .ranks = json_object(), .alphas = json_object(),
		.modules = json_array(),
		.rank = (json_int_t)made_rank(peft),
		.alpha = json_number(peft, "lora_alpha", 8),
	};
	if (!c->ranks || !c->alphas || !c->modules)
		return err_set(E_NOMEM, "out of memory");
	return 0;
}

static int matches(const char *key, const char *module, int *yes)
{
	size_t size = strlen(key) + 16;
	char *text = malloc(size);
	struct regex *re = NULL;
	int err;

	if (!text)
		return err_set(E_NOMEM, "out of memory");
	snprintf(text, size, "(?:.*\\.)?(?:%s)", key);
	err = regex_new(&re, text, strlen(text), E_DATA);
	if (!err)
		err = regex_full(re, module, strlen(module), yes);
	regex_free(re);
	free(text);
	return err;
}

/* Whole numbers are written without a point. */
static json_t *number(double x)
{
	json_int_t whole = x < 1e15 ? (json_int_t)x : 0;

	return (double)whole == x ? json_integer(whole) : json_real(x);
}

static int put(json_t *object, const char *key, json_t *value)
{
	if (!value || json_object_set_new(object, key, value))
		return err_set(E_NOMEM, "out of memory");
	return 0;
}

int peft_pattern(json_t *patterns, const char *module, double *x)
{
	const char *key;
	json_t *v;

	json_object_foreach(patterns, key, v) {
		int yes = 0;

		TRY(matches(key, module, &yes));
		if (!yes)
			continue;
		*x = json_number_value(v);
		break;
	}
	return 0;
}

int peft_config_module(struct peft_config *c, const char *module, size_t rank)
{
	double alpha = c->alpha;

	if (peft_pattern(json_object_get(c->peft, "alpha_pattern"), module,
			 &alpha))
		return err_at(E_DATA, "alpha_pattern");
	if (json_array_append_new(c->modules, json_string(module)))
		return err_set(E_NOMEM, "out of memory");
	if (rank != (size_t)c->rank && !is_adalora(c->peft))
		TRY(put(c->ranks, module, json_integer((json_int_t)rank)));
	if (alpha < c->alpha || alpha > c->alpha)
		TRY(put(c->alphas, module, number(alpha)));
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(json_string_value(*(json_t *const *)a),
		      json_string_value(*(json_t *const *)b));
}

/* The list, sorted: PEFT writes it in the order of a set. */
static json_t *sorted(json_t *list)
{
	size_t n = json_array_size(list), i;
	json_t **at = calloc(n + 1, sizeof(json_t *)), *v;
	json_t *copy = json_array();

	if (at && copy) {
		json_array_foreach(list, i, v)
			at[i] = v;
		qsort(at, n, sizeof(json_t *), by_text);
		for (i = 0; i < n; i++)
			json_array_append(copy, at[i]);
	}
	free(at);
	return copy;
}

/* The short list that the user gave, where it says it all. */
static json_t *targets(const struct peft_config *c)
{
	json_t *given = json_object_get(c->peft, "target_modules");

	if (json_is_array(given) && json_array_size(given) &&
	    !is_adalora(c->peft) &&
	    !is_set(json_object_get(c->peft, "layers_to_transform")) &&
	    !is_set(json_object_get(c->peft, "exclude_modules")))
		return sorted(given);
	return sorted(c->modules);
}

/* AdaLoRA's own keys: theirs, ours. */
static const char *const schedule[][2] = {
	{ "target_r", "target_r" }, { "tinit", "tinit" },
	{ "tfinal", "tfinal" }, { "deltaT", "delta_t" },
	{ "beta1", "beta1" }, { "beta2", "beta2" },
	{ "orth_reg_weight", "orth_reg_weight" },
};

static int put_schedule(json_t *o, json_t *peft)
{
	for (size_t i = 0; i < NELEM(schedule); i++) {
		json_t *v = json_object_get(peft, schedule[i][0]);

		if (json_is_number(v))
			TRY(put(o, schedule[i][1], json_incref(v)));
	}
	return 0;
}

int peft_config_schedule(json_t *peft, json_t *adapter)
{
	for (size_t i = 0; i < NELEM(schedule); i++) {
		json_t *v = json_object_get(adapter, schedule[i][1]);

		if (json_is_number(v))
			TRY(put(peft, schedule[i][0], json_incref(v)));
	}
	return 0;
}

static int put_qalora(json_t *o, json_t *peft)
{
	double size = json_number(peft, "qalora_group_size", 16);

	if (!(size >= 1 && size <= 1 << 20) || floor(size) < size)
		return err_set(E_DATA, "qalora_group_size is outside its "
			       "range");
	TRY(put(o, "qalora_pool", json_string("peft")));
	return put(o, "qalora_group_size", json_integer((json_int_t)size));
}

int peft_config_end(struct peft_config *c, json_t *meta)
{
	json_t *base = json_object_get(c->peft, "base_model_name_or_path");
	json_t *saved = json_object_get(c->peft, "modules_to_save");
	json_t *o = json_object();

	if (!o || json_object_set_new(meta, "adapter", o))
		return err_set(E_NOMEM, "out of memory");
	TRY(put(o, "kind", json_string(peft_kind_of(c->peft)->name)));
	if (is_adalora(c->peft))
		TRY(put_schedule(o, c->peft));
	if (json_flag(c->peft, "use_qalora", 0))
		TRY(put_qalora(o, c->peft));
	TRY(put(o, "r", json_integer(c->rank)));
	TRY(put(o, "alpha", number(c->alpha)));
	TRY(put(o, "dropout",
		number(json_number(c->peft, "lora_dropout", 0))));
	TRY(put(o, "rslora", json_boolean(
		json_flag(c->peft, "use_rslora", 0))));
	/* Of what lies turned in the base's own checkpoint: no number here. */
	if (is_set(json_object_get(c->peft, "fan_in_fan_out")))
		TRY(put(o, "fan_in_fan_out", json_true()));
	TRY(put(o, "target_modules", targets(c)));
	TRY(put(o, "rank_pattern", json_incref(c->ranks)));
	TRY(put(o, "alpha_pattern", json_incref(c->alphas)));
	TRY(put(o, "modules_to_save",
		json_is_array(saved) ? sorted(saved) : json_array()));
	TRY(put(o, "bias", json_string(json_text(c->peft, "bias", "none"))));
	return put(o, "base_model_name_or_path",
		   json_is_string(base) ? json_incref(base) : json_null());
}

void peft_config_release(struct peft_config *c)
{
	json_decref(c->ranks);
	json_decref(c->alphas);
	json_decref(c->modules);
}

int peft_is_saved(json_t *saved, const char *module)
{
	json_t *v;
	size_t i;

	json_array_foreach(saved, i, v)
		if (suffix_is_part(module, json_string_value(v)))
			return 1;
	return 0;
}
