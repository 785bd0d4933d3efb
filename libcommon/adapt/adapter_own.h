/*
 * adapter_own - options of a command line that one kind of adapter has, and
 * others do not
 */
#ifndef ADAPT_ADAPTER_OWN_H
#define ADAPT_ADAPTER_OWN_H

#include "adapt/adapt.h"
#include "adapt/adapter_choice.h"

/* What belongs to one kind alone goes into the configuration of that kind.
 * E_USAGE: no such kind, or an option that another has. */
int adapter_own_of_kind(json_t *j, const struct adapter_choice *c) MUST_CHECK;

/* The options that are keys of several kinds (adapt.h, keys). E_USAGE: kind
 * does not have one that was given. */
int adapter_own_keys(json_t *j, const struct adapter_choice *c,
		     const struct adapter_kind *kind) MUST_CHECK;

/* A whole number as one; a new reference, NULL: no memory. */
json_t *adapter_choice_number(double x);

#endif
