/*
 * quant_int - a plain matrix as a group-wise affine one of 2, 3, 4 or 8 bits
 *
 * A group is consecutive weights of a row that share a scale and a zero; see
 * quant/int_grid.h for what those are. Scales and real zeros are stored as
 * numbers, whole zeros in a byte each, a zero in the middle once.
 */
#ifndef QUANT_QUANT_INT_H
#define QUANT_QUANT_INT_H

#include "base/par.h"
#include "quant/int_grid.h"
#include "tensor/tensor.h"

struct quant_int {
	struct int_grid_rule grid;
	size_t group;           /* 0: a row */
};

int quant_int_bits_ok(size_t bits);

/* Weights of t in a group. E_CONFIG: the rows cannot be cut into such, or are
 * too long for entropy; with what can be done. */
int quant_int_group(size_t *group, const struct tensor *t,
		    const struct quant_int *q) MUST_CHECK;

/*
 * to: new, with from's name, role and shape, described and with room for its
 * parts; codes and all else 0. from need not be loaded. E_CONFIG, E_NOMEM.
 */
int quant_int_shape(struct tensor *to, const struct tensor *from,
		    const struct quant_int *q) MUST_CHECK;

/* Writes row's codes (a byte each) and grids to a tensor of quant_int_shape().
 * Rows may be written at once if they do not share a byte of codes: eight
 * rows from a multiple of eight on never do. */
void quant_int_put(struct tensor *to, size_t row, const uint8_t *code,
		   const struct int_grid *grid);

/*
 * Rounds each weight to the nearest code. to: as quant_int_shape(); from:
 * plain, f32, bf16 or f16, loaded, not changed. Same bytes for any pool.
 * E_DATA: a value is not finite, or a group's range is not; E_CONFIG; E_NOMEM.
 */
int quant_int(struct tensor *to, const struct tensor *from,
	      const struct quant_int *q, struct pool *pool) MUST_CHECK;

#endif
