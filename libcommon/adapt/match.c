#include "adapt/match.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/regex.h"
#include "base/suffix.h"

int match_listed(json_t *names, const char *module, json_t **value)
{
	const char *key;
	json_t *v;
	size_t i;

	json_array_foreach(names, i, v)
		if (suffix_is_part(module, json_string_value(v)))
			return 1;
	json_object_foreach(names, key, v)
		if (suffix_is_part(module, key)) {
			if (value)
				*value = v;
			return 1;
		}
	return 0;
}

/* before and pattern and after, matched against the whole name. */
static int regex_matches(const char *before, const char *pattern,
			 const char *after, const char *name, int *yes)
{
	size_t size = strlen(before) + strlen(pattern) + strlen(after) + 1;
	char *text = malloc(size);
	struct regex *re = NULL;
	int err;

	if (!text)
		return err_set(E_NOMEM, "out of memory");
	snprintf(text, size, "%s%s%s", before, pattern, after);
	err = regex_new(&re, text, size - 1, E_CONFIG);
	if (!err)
		err = regex_full(re, name, strlen(name), yes);
	regex_free(re);
	free(text);
	return err ? err_at(E_CONFIG, "pattern %s", pattern) : 0;
}

int match_rule(json_t *rule, const char *module, enum tensor_role role,
	       int *yes)
{
	const char *text = json_string_value(rule);
	json_t *entry;
	size_t i;

	*yes = 0;
	if (text && !strcmp(text, "all-linear"))
		*yes = role == ROLE_LINEAR;
	else if (text)
		return regex_matches("", text, "", module, yes);
	json_array_foreach(rule, i, entry)
		*yes |= suffix_is_part(module, json_string_value(entry));
	return 0;
}

int match_pattern(json_t *patterns, const char *module, json_t **value)
{
	const char *key;
	json_t *v;

	*value = NULL;
	json_object_foreach(patterns, key, v) {
		int yes;

		TRY(regex_matches("(?:.*\\.)?(?:", key, ")", module, &yes));
		if (yes) {
			*value = v;
			break;
		}
	}
	return 0;
}

/* The first number between dots: the layer. -1: none. */
static long layer_of(const char *module)
{
	for (const char *p = strchr(module, '.'); p; p = strchr(p + 1, '.')) {
		size_t digits = strspn(p + 1, "0123456789");

		if (digits && digits < 10 && p[1 + digits] == '.')
			return strtol(p + 1, NULL, 10);
	}
	return -1;
}

int match_layer(json_t *layers, const char *module)
{
	long layer = layer_of(module);
	json_t *entry;
	size_t i;

	if (!json_is_array(layers) && !json_is_integer(layers))
		return 1;
	if (json_is_integer(layers))
		return json_integer_value(layers) == layer;
	json_array_foreach(layers, i, entry)
		if (json_integer_value(entry) == layer)
			return 1;
	return 0;
}
