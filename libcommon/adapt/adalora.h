/*
 * adalora - AdaLoRA's budget: which singular values stay (Zhang et al. 2023,
 * arXiv:2303.10512, sections 3.2 and 3.3; the order of operations is that of
 * the authors' code and PEFT)
 *
 * Every rank of every AdaLoRA adapter has a score, from the moving averages
 * that adapt_adalora.c keeps:
 *
 *   s = I U for each element;  S_i = s(E_i) + mean s(A_i,:) + mean s(B_:,i)
 *
 * Pruning to a budget b of b0 ranks in all sets E_i = 0 where S_i is at most
 * the (b0 - b)-th smallest score (ties go too). A and B stay, so a rank may
 * come back until the budget is final.
 */
#ifndef ADAPT_ADALORA_H
#define ADAPT_ADALORA_H

#include "adapt/adapt.h"

/* Where step t = 1, 2, ... of all is on the schedule of the set's adapters. */
struct adalora_place {
	size_t ranks, target;   /* in all: at first, in the end */
	size_t budget;          /* now */
	int due;                /* the budget is enforced after this step */
	int final;              /* ... and what is pruned now stays so */
	int frozen;             /* it is past: scores do not move any more */
};

/*
 * The budget falls by a cube from step tinit to step all - tfinal:
 *
 *   b = bT + (b0 - bT) (1 - (t - tinit) / (all - tfinal - tinit))^3
 *
 * cut to a whole number, and is enforced every delta_t steps. Keys of an
 * adapter's config that are absent: tinit all / 10, tfinal 3 all / 10, delta_t
 * all / 100, at least 1.
 */
void adalora_place(struct adalora_place *p, const struct adapter_set *s,
		   uint64_t t, uint64_t all);

/* E_CONFIG: in a run of so many steps the budget would never fall, and why. */
int adalora_check(const struct adapter_set *s, uint64_t all) MUST_CHECK;

/* Prunes to a budget of ranks in all. E_NOMEM. */
int adalora_prune(struct adapter_set *s, size_t budget) MUST_CHECK;

/* E_i = 0 where it was pruned before. */
void adalora_keep_pruned(struct adapter_set *s);

/* Ranks of an AdaLoRA adapter that are not pruned; SIZE_MAX: it is none. */
size_t adalora_kept(const struct adapter *a);

/* The ranks that an adapter of any kind has left: of AdaLoRA's those that are
 * not pruned, in training or since (E is zero, though not all of the set's
 * are, as when it is new). */
size_t adalora_ranks(const struct adapter_set *s, const struct adapter *a);

/* ---- for adapt_adalora.c ---- */

enum { ADALORA_E = 2, ADALORA_AVERAGES, ADALORA_PRUNED = 9 };

struct adalora {
	float beta1, beta2, orthogonal; /* the penalty's weight */
	size_t target;          /* ranks of this module in the end */
	uint64_t schedule[3];   /* tinit, tfinal, delta_t; UINT64_MAX: by the
				 * number of steps */
	float *be;              /* (out, rank) B diag(E), of the last forward */
	float *be_grad;         /* (out, rank) */
	struct adapter view;    /* the adapter as LoRA with B diag(E) for B */
};

#endif
