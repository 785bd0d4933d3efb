#include "formats/peft_config.h"

#include "formats/peft_front.h"
#include "formats/peft_kinds.h"
#include "formats/peft_tokens.h"

#include <string.h>

#include "base/size.h"

/* A key of the meta, or what stands for it. */
static json_t *take(json_t *adapter, const char *key, json_t *none)
{
	json_t *v = json_object_get(adapter, key);

	if (!v || json_is_null(v))
		return none;
	json_decref(none);
	return json_incref(v);
}

/* An empty list is PEFT's null. */
static json_t *list_or_null(json_t *adapter, const char *key)
{
	json_t *v = json_object_get(adapter, key);

	return json_array_size(v) ? json_incref(v) : json_null();
}

/* AdaLoRA: r counts as init_r, and PEFT wants to know the run's length, for a
 * training that it never goes on with. */
static int add_schedule(json_t *peft, json_t *adapter, json_t *columns)
{
	double last = json_number(adapter, "tinit", 0) +
		      json_number(adapter, "tfinal", 0) + 1;

	(void)columns;
	if (json_object_set(peft, "init_r", json_object_get(peft, "r")) ||
	    json_object_set_new(peft, "total_step",
				json_integer((json_int_t)last)))
		return err_set(E_NOMEM, "out of memory");
	return peft_config_schedule(peft, adapter);
}

static int set(json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value))
		return err_set(E_NOMEM, "out of memory");
	return 0;
}

/*
 * PEFT's use_qalora takes the mean of each group, times the number L of groups;
 * A has L columns. For a mean or a sum of inputs that is another alpha, for
 * each module its own.
 */
static int add_qalora(json_t *peft, json_t *adapter, json_t *columns)
{
	const char *pool = json_text(adapter, "qalora_pool", "mean"), *module;
	double group = json_number(adapter, "qalora_group_size", 0);
	json_t *alphas = json_deep_copy(json_object_get(peft,
							"alpha_pattern"));
	json_t *l;

	if (!alphas || json_object_set_new(peft, "alpha_pattern", alphas))
		return err_set(E_NOMEM, "out of memory");
	if (!(group > 0))
		return err_set(E_DATA, "QA-LoRA's groups are not of one size, "
			       "which PEFT does not have; merge-adapter can "
			       "merge the adapter");
	json_object_foreach(columns, module, l) {
		json_t *own = json_object_get(alphas, module);
		double alpha = own ? json_number_value(own) :
				     json_number(peft, "lora_alpha", 8);

		if (!strcmp(pool, "mean"))
			alpha /= json_number_value(l);
		else if (!strcmp(pool, "sum"))
			alpha *= group / json_number_value(l);
		else
			break;
		TRY(set(alphas, module, json_real(alpha)));
	}
	return set(peft, "qalora_group_size", json_integer((json_int_t)group));
}

/* What a kind's configuration says besides. */
static const struct {
	const char *kind;
	int (*add)(json_t *peft, json_t *adapter, json_t *columns);
} kinds[] = {
	{ "adalora", add_schedule },
	{ "qalora", add_qalora },
};

static int add_own(const struct peft_kind *kind, json_t *peft,
		   json_t *adapter, json_t *columns)
{
	if (kind->flag)
		TRY(set(peft, kind->flag, json_true()));
	for (size_t i = 0; i < NELEM(kinds); i++)
		if (!strcmp(kinds[i].kind, kind->name))
			return kinds[i].add(peft, adapter, columns);
	return 0;
}

int peft_config_write(json_t **peft, json_t *adapter, const char *base,
		      json_t *columns)
{
	const struct peft_kind *kind =
		peft_kind_find(json_text(adapter, "kind", "lora"));
	json_t *name = json_object_get(adapter, "base_model_name_or_path");

	*peft = NULL;
	if (!kind)
		return err_set(E_DATA, "adapters of this kind cannot be "
			       "written for PEFT");
	name = base ? json_string(base) :
	       json_is_string(name) ? json_incref(name) : json_null();
	if (kind->front)
		return peft_front_write(peft, kind, adapter, name);
	*peft = json_pack(
		"{so sn so so so sb sb sn sn so so so ss so so sn so ss sb so}",
		"alpha_pattern", take(adapter, "alpha_pattern", json_object()),
		"auto_mapping", "base_model_name_or_path", name, "bias",
		take(adapter, "bias", json_string("none")), "fan_in_fan_out",
		take(adapter, "fan_in_fan_out", json_false()),
		"inference_mode", 1, "init_lora_weights", 1, "layers_pattern",
		"layers_to_transform", "lora_alpha",
		take(adapter, "alpha", json_integer(8)), "lora_dropout",
		take(adapter, "dropout", json_real(0)), "modules_to_save",
		list_or_null(adapter, "modules_to_save"), "peft_type",
		kind->type,
		"r", take(adapter, "r", json_integer(8)), "rank_pattern",
		take(adapter, "rank_pattern", json_object()), "revision",
		"target_modules",
		take(adapter, "target_modules", json_array()), "task_type",
		"CAUSAL_LM", "use_dora", 0, "use_rslora",
		take(adapter, "rslora", json_false()));
	if (!*peft)
		return err_set(E_NOMEM, "out of memory");
	TRY(peft_tokens_write(*peft, adapter));
	return add_own(kind, *peft, adapter, columns);
}
