/* plain - a tensor's values in a plain tensor */
#ifndef WEIGHT_PLAIN_H
#define WEIGHT_PLAIN_H

#include "tensor/tensor.h"

/* to: new, t's name, role, shape and values as d (a float type), rounded to
 * nearest, ties to even. t: any storage, loaded. E_DATA: it cannot be decoded,
 * or a finite value is too large for d; E_NOMEM. */
int weight_plain(struct tensor *to, const struct tensor *t,
		 enum dtype d) MUST_CHECK;

#endif
