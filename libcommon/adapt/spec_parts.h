/* spec_parts - what spec*.c share */
#ifndef ADAPT_SPEC_PARTS_H
#define ADAPT_SPEC_PARTS_H

#include "adapt/spec.h"

/* Are the keys of a configuration what they must be? E_CONFIG. */
int spec_check(json_t *config) MUST_CHECK;

/* Defaults of an object that says all of a module's options. */
double spec_rank(json_t *config);
double spec_alpha(json_t *config);

/* The object that gives a site its options, a rule or config itself; NULL:
 * none wants it. modules_to_save do not count. E_CONFIG. */
int spec_find(json_t **own, json_t *config,
	      const struct adapter_site *site) MUST_CHECK;

/* Is it one that target_modules names: not whole, and not a bias alone? */
int spec_is_target(const struct adapter *a);

/* s->config: config with what was left out said, and targets as names. */
int spec_describe(struct adapter_set *s, json_t *config,
		  const struct adapter_sites *sites) MUST_CHECK;

#endif
