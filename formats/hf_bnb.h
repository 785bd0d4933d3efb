/*
 * hf_bnb - the arrays of a bitsandbytes 4-bit checkpoint (formats/bnb.h), put
 * together: codes and scales become one tensor as they are
 *
 * What belongs to one weight may lie in several files, so all arrays are
 * listed first.
 */
#ifndef FORMATS_HF_BNB_H
#define FORMATS_HF_BNB_H

#include "formats/foreign.h"
#include "formats/safetensors.h"

struct hf_bnb_array {
	struct safetensors_entry entry; /* its name is owned */
	size_t file;            /* of foreign.file */
	int used;
};

struct hf_bnb {
	struct hf_bnb_array *at;
	size_t n, room;
	json_t *index;          /* name -> number */
	size_t coded;           /* weights in 4 bits */
};

/* A weight in 4 bits: where its parts are. */
struct hf_bnb_weight {
	struct tensor tensor;   /* described, not loaded; owned */
	struct foreign_place part[TENSOR_PARTS];
};

/* Adds an array. E_DATA: there are two of that name; E_NOMEM. */
int hf_bnb_add(struct hf_bnb *b, const struct safetensors_entry *e,
	       size_t file) MUST_CHECK;

/* Is the array codes, for which hf_bnb_weight() stands? Or does it stand
 * beside some, and is no tensor of its own? */
int hf_bnb_is_codes(const struct hf_bnb *b, const struct hf_bnb_array *a);
int hf_bnb_is_beside(const struct hf_bnb_array *a);

/*
 * The weight whose codes a is, as a tensor of that name and role; w is zeroed,
 * release its tensor. Reads the small arrays. E_DATA: an array is missing, or
 * not of the size that the state says; a book that is not bitsandbytes'.
 */
int hf_bnb_weight(struct hf_bnb_weight *w, struct hf_bnb *b,
		  struct hf_bnb_array *a, const struct foreign *f,
		  const char *name, enum tensor_role role) MUST_CHECK;

/* After all weights. E_DATA: there was none, or an array is left that belongs
 * to no weight. */
int hf_bnb_end(const struct hf_bnb *b) MUST_CHECK;
void hf_bnb_release(struct hf_bnb *b);  /* safe on zeroes */

#endif
