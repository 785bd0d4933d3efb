/* merge_parts - what merge*.c share */
#ifndef ADAPT_MERGE_PARTS_H
#define ADAPT_MERGE_PARTS_H

#include "adapt/merge.h"

/* Is p a parameter of the module whose weight is named weight? */
int merge_stands_at(const struct tensor *p, const char *weight);

/* set[i] becomes m->at[i]'s adapter at the tensor, placed and loaded, or stays
 * empty; set has m->n zeroed places, to be released also after a failure. */
int merge_sets(struct adapter_set *set, struct merger *m,
	       const struct tensor *from) MUST_CHECK;

#endif
