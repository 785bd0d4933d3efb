/*
 * match - PEFT's rules for naming modules
 */
#ifndef ADAPT_MATCH_H
#define ADAPT_MATCH_H

#include "base/json.h"
#include "tensor/tensor.h"

/* Does a list of names have one that is the module's, or an object such a key?
 * *value (may be NULL): the key's. */
int match_listed(json_t *names, const char *module, json_t **value);

/* rule: a list of names; "all-linear" (linear layers but the head); a regex
 * that must match all of module. NULL, null: matches none. E_CONFIG. */
int match_rule(json_t *rule, const char *module, enum tensor_role role,
	       int *yes) MUST_CHECK;

/* The value of the first key of an object that, as a regex, matches module or
 * what is after one of its dots; NULL: none does. E_CONFIG. */
int match_pattern(json_t *patterns, const char *module,
		  json_t **value) MUST_CHECK;

/* Is the module's layer, the first number between dots, in the list (or equal
 * to the number)? Yes where layers is neither. */
int match_layer(json_t *layers, const char *module);

#endif
