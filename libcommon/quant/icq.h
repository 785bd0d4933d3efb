/*
 * icq - what to take off a block of weights before it is stored as NF4, so
 * that its codes hold the most information (IR-QLoRA, Qin et al. 2024,
 * arXiv:2402.05445, section 3.2, as its authors' code does it)
 *
 * Candidates for tau are median + f max|w - median|, f from -s to s in equal
 * steps, s a tenth of NF4's sigma, 1 / 1.848; taken is the first whose codes of
 * w - tau have the largest entropy. median is the lower of two middle ones.
 */
#ifndef QUANT_ICQ_H
#define QUANT_ICQ_H

#include "quant/entropy.h"

struct icq {
	struct entropy entropy;
	size_t steps;           /* on either side of the median; the authors'
				 * command line has 100 */
};

/* Entropies of blocks' codes, summed up, in bits. */
struct icq_gain {
	double plain, shifted;
	size_t blocks;
};

/* Floats of work space for blocks of that size. */
size_t icq_room(size_t block);

/*
 * tau of n > 0 values, at most ENTROPY_MOST; adds to gain. cpu: which of
 * quant_nf4's rules the codes follow. 0, and no gain, if a value is not finite.
 */
float icq_shift(const struct icq *q, const float *x, size_t n, int cpu,
		float *room, struct icq_gain *gain);

/* Values relative to the largest magnitude (into *scale) as codes of the signed
 * 8-bit map: of the entries that are nearest in f32, the first. */
void icq_codes(uint8_t *code, float *scale, const float *tau, size_t n);

#endif
