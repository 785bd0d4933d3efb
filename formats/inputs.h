/*
 * inputs - a model's inputs as programs are given them: operands, or standard
 * input, and the files that options name
 */
#ifndef FORMATS_INPUTS_H
#define FORMATS_INPUTS_H

#include "formats/collect.h"

/* collect() of the operands (standard input when there are none) and after
 * them of extra, unless it is NULL; with a budget (bytes; 0: none) or an agent
 * (its socket; NULL: none), or where files may take more than is free,
 * collect_paged(), and of the agent. The base gets the tokens that the adapters
 * add (formats/grow.h). */
int inputs_collect(struct collection *c, char *const *operands,
		   const char *extra, uint64_t budget,
		   const char *agent) MUST_CHECK;

/* The same with several more files. */
int inputs_collect_all(struct collection *c, char *const *operands,
		       const char *const *extra, size_t nextra,
		       uint64_t budget, const char *agent) MUST_CHECK;

/* The base gets this adapter's tokens. E_DATA. */
int inputs_grow(struct collection *c,
		const struct collected *adapter) MUST_CHECK;

/* Has the agent gone that the base's pages came from? Then all is as before,
 * but whoever asked for it should hear of it: INPUTS_ALONE, with the program's
 * name. */
int inputs_alone(const struct collection *c);
#define INPUTS_ALONE "%s: warning: the agent is gone; the run went on alone\n"

/* There is a base, and one adapter at most: *adapter, or NULL. E_DATA. */
int inputs_one_model(const struct collection *c,
		     const struct collected **adapter) MUST_CHECK;

#endif
