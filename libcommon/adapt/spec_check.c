#include "adapt/spec_parts.h"

#include <string.h>

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

static int check_tokens(json_t *config)
{
	json_t *object = json_object_get(config, adapt_tokens.list), *v;
	const char *module;

	if (object && !json_is_null(object) && !json_is_object(object))
		return err_set(E_CONFIG, "%s is no object",
			       adapt_tokens.list);
	json_object_foreach(object, module, v)
		if (!json_is_array(v))
			return err_set(E_CONFIG, "%s: %s has no list",
				       adapt_tokens.list, module);
	return 0;
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
	TRY(check_tokens(config));
	TRY(check_patterns(config, "rank_pattern", 1));
	return check_patterns(config, "alpha_pattern", 0);
}

int spec_check(json_t *config)
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
