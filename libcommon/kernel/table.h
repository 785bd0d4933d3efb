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
#include "kernel/adamw.h"
#include "kernel/attention.h"
#include "kernel/blocks.h"
#include "kernel/convert.h"
#include "kernel/cross_entropy.h"
#include "kernel/dropout.h"
#include "kernel/gate.h"
#include "kernel/gemm_bf16.h"
#include "kernel/gemm_tile.h"
#include "kernel/nf4.h"
#include "kernel/norm.h"
#include "kernel/pack.h"
#include "kernel/rope.h"
#include "kernel/sgd.h"
#include "kernel/softcap.h"
#include "kernel/vector.h"

/* Every kernel there is, by name; level "c" has them all. */
#define KERNELS_C(K)               \
	K(adamw)                   \
	K(attend)                  \
	K(attend_backward)         \
	K(bf16_to_f32)             \
	K(cross_entropy)           \
	K(cross_entropy_backward)  \
	K(decode_book)             \
	K(decode_code4)            \
	K(decode_code8)            \
	K(decode_dyn8)             \
	K(decode_int)              \
	K(dot_bf16)                \
	K(dot_code4)               \
	K(dot_code8)               \
	K(dot_f16)                 \
	K(dot_f32)                 \
	K(dropout)                 \
	K(f16_to_f32)              \
	K(f32_to_bf16)             \
	K(f32_to_f16)              \
	K(gelu_erf_gate)           \
	K(gelu_erf_gate_backward)  \
	K(gelu_tanh_gate)          \
	K(gelu_tanh_gate_backward) \
	K(gemm_block)              \
	K(gemm_block_bf16)         \
	K(gemm_pack_x)             \
	K(gemm_pack_x_bf16)        \
	K(gemm_pair_w)             \
	K(gemm_tn_block)           \
	K(layernorm)               \
	K(layernorm_backward)      \
	K(nf4_encode)              \
	K(pack_bf16_nn)            \
	K(pack_bf16_nt)            \
	K(pack_code4_nn)           \
	K(pack_code4_nt)           \
	K(pack_code8_nn)           \
	K(pack_code8_nt)           \
	K(pack_f16_nn)             \
	K(pack_f16_nt)             \
	K(pack_f32_nn)             \
	K(pack_f32_nt)             \
	K(rmsnorm)                 \
	K(rmsnorm_backward)        \
	K(rope)                    \
	K(sgd)                     \
	K(silu_gate)               \
	K(silu_gate_backward)      \
	K(softcap)                 \
	K(softcap_backward)        \
	K(sum_squares)             \
	K(transpose)               \
	K(unpack_codes)            \
	K(unpack_iq4_nl)           \
	K(unpack_q2_k)             \
	K(unpack_q3_k)             \
	K(unpack_q4_0)             \
	K(unpack_q4_1)             \
	K(unpack_q4_k)             \
	K(unpack_q5_0)             \
	K(unpack_q5_1)             \
	K(unpack_q5_k)             \
	K(unpack_q6_k)             \
	K(unpack_q8_0)             \
	K(vadd)                    \
	K(vaxpy)                   \
	K(vexp)                    \
	K(vscale)
	/* the end */

/* What level "avx2" does better (AVX2, FMA and F16C). */
#define KERNELS_AVX2(K)            \
	K(adamw)                   \
	K(attend)                  \
	K(attend_backward)         \
	K(bf16_to_f32)             \
	K(cross_entropy)           \
	K(cross_entropy_backward)  \
	K(decode_book)             \
	K(decode_code4)            \
	K(decode_code8)            \
	K(decode_int)              \
	K(dot_bf16)                \
	K(dot_code4)               \
	K(dot_code8)               \
	K(dot_f16)                 \
	K(dot_f32)                 \
	K(dropout)                 \
	K(f16_to_f32)              \
	K(f32_to_bf16)             \
	K(f32_to_f16)              \
	K(gelu_erf_gate)           \
	K(gelu_erf_gate_backward)  \
	K(gelu_tanh_gate)          \
	K(gelu_tanh_gate_backward) \
	K(gemm_block)              \
	K(gemm_block_bf16)         \
	K(gemm_pack_x)             \
	K(gemm_tn_block)           \
	K(layernorm)               \
	K(layernorm_backward)      \
	K(nf4_encode)              \
	K(pack_bf16_nn)            \
	K(pack_bf16_nt)            \
	K(pack_code4_nn)           \
	K(pack_code4_nt)           \
	K(pack_code8_nn)           \
	K(pack_code8_nt)           \
	K(pack_f16_nn)             \
	K(pack_f16_nt)             \
	K(pack_f32_nn)             \
	K(pack_f32_nt)             \
	K(rmsnorm)                 \
	K(rmsnorm_backward)        \
	K(rope)                    \
	K(silu_gate)               \
	K(silu_gate_backward)      \
	K(softcap)                 \
	K(softcap_backward)        \
	K(sum_squares)             \
	K(unpack_codes)            \
	K(unpack_iq4_nl)           \
	K(unpack_q2_k)             \
	K(unpack_q3_k)             \
	K(unpack_q4_0)             \
	K(unpack_q4_1)             \
	K(unpack_q4_k)             \
	K(unpack_q5_0)             \
	K(unpack_q5_1)             \
	K(unpack_q5_k)             \
	K(unpack_q6_k)             \
	K(unpack_q8_0)             \
	K(vadd)                    \
	K(vaxpy)                   \
	K(vexp)                    \
	K(vscale)
	/* the end */

/* What level "avx512" does better still (F, BW, VL and DQ). */
#define KERNELS_AVX512(K)          \
	K(attend)                  \
	K(attend_backward)         \
	K(cross_entropy)           \
	K(cross_entropy_backward)  \
	K(decode_code4)            \
	K(decode_dyn8)             \
	K(dot_bf16)                \
	K(dot_code4)               \
	K(dot_code8)               \
	K(dropout)                 \
	K(f32_to_bf16)             \
	K(f32_to_f16)              \
	K(gelu_erf_gate)           \
	K(gelu_erf_gate_backward)  \
	K(gelu_tanh_gate)          \
	K(gelu_tanh_gate_backward) \
	K(gemm_block)              \
	K(gemm_tn_block)           \
	K(layernorm)               \
	K(layernorm_backward)      \
	K(nf4_encode)              \
	K(pack_code4_nn)           \
	K(pack_code4_nt)           \
	K(pack_code8_nt)           \
	K(rmsnorm)                 \
	K(rmsnorm_backward)        \
	K(silu_gate)               \
	K(silu_gate_backward)      \
	K(softcap)                 \
	K(softcap_backward)        \
	K(transpose)               \
	K(vexp)
	/* the end */

/* What level "avx512bf16" has an instruction for. */
#define KERNELS_AVX512BF16(K)      \
	K(gemm_block_bf16)         \
	K(gemm_pack_x_bf16)        \
	K(gemm_pair_w)
	/* the end */

#define KERNELS_FIELD(name) name##_fn *name;

struct kernels {
	KERNELS_C(KERNELS_FIELD)
};

#endif
