/*
 * inputs - a model's inputs as programs are given them: operands, or standard
 * input, and the files that options name
 */
#ifndef FORMATS_INPUTS_H
#define FORMATS_INPUTS_H

#include "formats/collect.h"

/* collect() of the operands (standard input when there are none) and after
 * them of extra, unless it is NULL; with a budget (bytes; 0: none)
 * or an agent (its socket; NULL: none) collect_paged(), and of the agent. */
int inputs_collect(struct collection *c, char *const *operands,
		   const char *extra, uint64_t budget,
		   const char *agent) MUST_CHECK;

/* There is a base, and one adapter at most: *adapter, or NULL. E_DATA. */
int inputs_one_model(const struct collection *c,
		     const struct collected **adapter) MUST_CHECK;

#endif
