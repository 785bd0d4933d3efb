/*
 * table - the fields of struct kernels
 *
 * A kernel <name> is declared in its subject's header in kernel/: its type
 * <name>_fn, its definition <name>_c, its variants <name>_avx2 and so on. To
 * add one: a line in KERNELS_C, and one in every level that has a variant.
 */
#ifndef KERNEL_TABLE_H
#define KERNEL_TABLE_H

#include "kernel/kernels.h"

/* The subjects, by name. */
#include "kernel/gemm_tile.h"
#include "kernel/nf4.h"
#include "kernel/pack.h"

/* Every kernel there is, by name; level "c" has them all. */
#define KERNELS_C(K)       \
	K(gemm_block)      \
	K(gemm_pack_x)     \
	K(gemm_tn_block)   \
	K(nf4_encode)      \
	K(pack_bf16_nn)    \
	K(pack_bf16_nt)    \
	K(pack_f16_nn)     \
	K(pack_f16_nt)     \
	K(pack_f32_nn)     \
	K(pack_f32_nt)     \
	/* the end */

/* What level "avx2" does better (AVX2, FMA and F16C). */
#define KERNELS_AVX2(K)    \
	K(gemm_block)      \
	K(gemm_tn_block)   \
	K(nf4_encode)      \
	/* the end */

#define KERNELS_FIELD(name) name##_fn *name;

struct kernels {
	KERNELS_C(KERNELS_FIELD)
};

#endif
