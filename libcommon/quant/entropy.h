/*
 * entropy - the information in a block's codes, by their counts
 */
#ifndef QUANT_ENTROPY_H
#define QUANT_ENTROPY_H

#include <stddef.h>
#include <stdint.h>

enum { ENTROPY_MOST = 4096 };   /* codes in a block at most */

struct entropy {
	double clog[ENTROPY_MOST + 1]; /* c log2 c */
};

void entropy_init(struct entropy *e);

/*
 * sum c log2 c over the counts of k codes, k <= 256: smaller where the entropy
 * is larger. Equal counts are added together, from the smallest count up, so
 * that what has the same counts has the same bits.
 */
double entropy_disorder(const struct entropy *e, const uint16_t *count,
			size_t k);

/* Bits a code, of n codes with that sum. */
double entropy_bits(const struct entropy *e, double disorder, size_t n);

#endif
