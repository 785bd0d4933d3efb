/* merge_parts - what merge*.c share */
#ifndef ADAPT_MERGE_PARTS_H
#define ADAPT_MERGE_PARTS_H

#include "adapt/merge.h"

/* Is p a parameter of the module that the weight or bias of this name belongs
 * to? And is it one that changes that very tensor? */
int merge_is_of(const struct tensor *p, const char *name);
int merge_stands_at(const struct tensor *p, const char *name);

/* The length of the module's name; 0: it is no weight and no bias. */
size_t merge_module(const char *name);

/* dst (n), the values of a bias, become what m's adapters make of them. E_DATA,
 * E_NOMEM. */
int merge_bias(float *dst, size_t n, struct merger *m,
	       const char *name) MUST_CHECK;

/* set[i] becomes m->at[i]'s adapter at the tensor, placed and loaded, or stays
 * empty; set has m->n zeroed places, to be released also after a failure. */
int merge_sets(struct adapter_set *set, struct merger *m,
	       const struct tensor *from) MUST_CHECK;

/* Can merge_zeros() be, with the adapters of merge_sets()? from need not be
 * loaded. E_CONFIG: groups of other sizes, naming what can be done. */
int merge_zeros_fit(const struct tensor *from, const struct merger *m,
		    const struct adapter_set *set) MUST_CHECK;

/* E_DATA: says that the parameter of this name has no place in the base. */
int merge_no_place(const char *name) MUST_CHECK;

#endif
