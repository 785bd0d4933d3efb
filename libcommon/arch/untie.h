/*
 * untie - a tied embedding, when an adapter changes one of its two uses
 *
 * With tie_word_embeddings one tensor is both the embedding and the head's
 * weight; an adapter stands at one of them alone. Merged into the tensor it
 * would change both and so the model that was trained. So the merged model
 * gets a head of its own, and its config.json says that nothing is tied. Kinds
 * that follow the tensor to both of its uses leave it tied.
 */
#ifndef ARCH_UNTIE_H
#define ARCH_UNTIE_H

#include "adapt/merge.h"
#include "arch/family.h"

struct untie {
	char embed[FAMILY_PATH + 8], head[FAMILY_PATH + 8]; /* names */
	int known;              /* a config.json of a known family was seen */
	int wanted;             /* an adapter changes one of them */
	int has_head;           /* the base has a head of its own */
	struct tensor kept;     /* else: the embedding, as the base has it */
};

/*
 * Begins a base with its config.json, a loaded blob, and changes its text
 * where that has to be. dense: the merged model is not quantised, so what it
 * says of a quantisation goes away. E_DATA.
 */
int untie_config(struct untie *u, const struct merger *m, struct tensor *blob,
		 int dense) MUST_CHECK;

/* Every tensor of the base, loaded where it changes(). E_DATA: an adapter
 * stands at an embedding, and no config.json came before; E_NOMEM. */
int untie_tensor(struct untie *u, const struct merger *m,
		 const struct tensor *t) MUST_CHECK;
int untie_changes(const struct untie *u, const struct tensor *t);

/* After the last tensor: the head as an unmerged tensor of the base, which u
 * keeps; NULL: the base needs none. */
const struct tensor *untie_head(struct untie *u);
void untie_release(struct untie *u);    /* safe on a zeroed struct */

#endif
