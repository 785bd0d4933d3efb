#include "formats/peft_config.h"

#include "formats/peft_kinds.h"

#include <string.h>

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
static int add_schedule(json_t *peft, json_t *adapter)
{
	double last = json_number(adapter, "tinit", 0) +
		      json_number(adapter, "tfinal", 0) + 1;

	if (json_object_set(peft, "init_r", json_object_get(peft, "r")) ||
	    json_object_set_new(peft, "total_step",
				json_integer((json_int_t)last)))
		return err_set(E_NOMEM, "out of memory");
	return peft_config_schedule(peft, adapter);
}

int peft_config_write(json_t **peft, json_t *adapter, const char *base)
{
	const struct peft_kind *kind =
		peft_kind_find(json_text(adapter, "kind", "lora"));
	json_t *name = json_object_get(adapter, "base_model_name_or_path");

	if (!kind)
		return err_set(E_DATA, "adapters of this kind cannot be "
			       "written for PEFT");
	name = base ? json_string(base) :
	       json_is_string(name) ? json_incref(name) : json_null();
	*peft = json_pack(
		"{so sn so ss sb sb sb sn sn so so so ss so so sn so ss sb so}",
		"alpha_pattern", take(adapter, "alpha_pattern", json_object()),
		"auto_mapping", "base_model_name_or_path", name, "bias",
		"none", "fan_in_fan_out", 0, "inference_mode", 1,
		"init_lora_weights", 1, "layers_pattern",
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
	if (kind->flag && json_object_set_new(*peft, kind->flag, json_true()))
		return err_set(E_NOMEM, "out of memory");
	return kind->cut ? add_schedule(*peft, adapter) : 0;
}
