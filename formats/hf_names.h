/*
 * hf_names - what a checkpoint's tensor is, by its Hugging Face name
 */
#ifndef FORMATS_HF_NAMES_H
#define FORMATS_HF_NAMES_H

#include "arch/family.h"
#include "tensor/tensor.h"

#include <stdint.h>

struct hf_name {
	char name[TENSOR_NAME]; /* in full: the family's prefix and suffix */
	enum tensor_role role;
	uint64_t order;         /* embedding, layer 0 ..., norm, head */
	int drop;               /* a buffer that can be computed */
	int transposed;         /* the file has it (cols, rows) */
};

/*
 * f may be NULL: then roles are guessed from the name, and what is no matrix
 * of a linear layer for certain is not taken for one, and names stay as they
 * are. E_DATA: the family has no such tensor.
 */
int hf_name_find(struct hf_name *n, const struct family *f, const char *name,
		 int rank) MUST_CHECK;

/* A model's tensors, counted as they come. */
struct hf_model {
	const struct family *family;
	struct family_config *config;
	size_t *seen;           /* weights met, by row of the family's table */
	size_t layers;
};

/* E_DATA: the config's family is not known, or the config is not its. */
int hf_model_begin(struct hf_model *m, json_t *config) MUST_CHECK;

/* Has t the shape that the config asks of it, is its layer one of those? It
 * passed hf_name_find(). E_DATA. */
int hf_model_add(struct hf_model *m, const struct tensor *t) MUST_CHECK;

/* E_DATA: a tensor that the family needs did not come. */
int hf_model_end(const struct hf_model *m) MUST_CHECK;
void hf_model_release(struct hf_model *m);      /* safe on zeroes */

#endif
