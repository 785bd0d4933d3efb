/*
 * gemm_pieces - what gemm() and its two halves share: gemm_pieces.c cuts a
 * long k, gemm.c multiplies
 */
#ifndef KERNEL_GEMM_PIECES_H
#define KERNEL_GEMM_PIECES_H

#include "kernel/gemm.h"

/* Of one output's packed X at once. */
enum { GEMM_ONE_FLOATS = 4 << 20 };

/* As gemm(), all of k. */
void gemm_rows(struct pool *pool, void *space, size_t m,
	       const struct gemm_output *out, size_t nout);

#endif
