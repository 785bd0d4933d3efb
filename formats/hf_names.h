/*
 * hf_names - what a checkpoint's tensor is, by its Hugging Face name
 */
#ifndef FORMATS_HF_NAMES_H
#define FORMATS_HF_NAMES_H

#include "arch/family.h"
#include "tensor/tensor.h"

#include <stdint.h>

struct hf_name {
	enum tensor_role role;
	uint64_t order;         /* embedding, layer 0 ..., norm, head */
	int drop;               /* a buffer that can be computed */
};

/*
 * f may be NULL: then roles are guessed from the name, and what is no matrix
 * of a linear layer for certain is not taken for one. E_DATA: the family has
 * no such tensor.
 */
int hf_name_find(struct hf_name *n, const struct family *f, const char *name,
		 int rank) MUST_CHECK;

/* The shape that the family's config asks of this tensor; E_DATA: it has
 * another. Names that the family does not know pass. */
int hf_name_check(const struct family *f, const struct family_config *c,
		  const struct tensor *t) MUST_CHECK;

#endif
