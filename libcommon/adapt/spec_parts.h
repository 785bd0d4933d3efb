/* spec_parts - what spec*.c share */
#ifndef ADAPT_SPEC_PARTS_H
#define ADAPT_SPEC_PARTS_H

#include "adapt/spec.h"

/* Are the keys of a configuration what they must be? E_CONFIG. */
int spec_check(json_t *config) MUST_CHECK;

#endif
