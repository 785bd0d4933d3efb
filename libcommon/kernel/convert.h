/*
 * convert - arrays between f32, bf16 and f16, with base/half.h's rounding
 *
 * To the nearest, ties to even; NaN stays quiet NaN. No alignment is needed;
 * src and dst do not overlap. Call as kernels()->bf16_to_f32(...),
 * kernel/table.h; every variant gives the same bits.
 */
#ifndef KERNEL_CONVERT_H
#define KERNEL_CONVERT_H

#include <stddef.h>
#include <stdint.h>

typedef void bf16_to_f32_fn(float *dst, const uint16_t *src, size_t n);
typedef void f32_to_bf16_fn(uint16_t *dst, const float *src, size_t n);
typedef bf16_to_f32_fn f16_to_f32_fn;
typedef f32_to_bf16_fn f32_to_f16_fn;

bf16_to_f32_fn bf16_to_f32_c, bf16_to_f32_avx2;
f32_to_bf16_fn f32_to_bf16_c, f32_to_bf16_avx2, f32_to_bf16_avx512;
f16_to_f32_fn f16_to_f32_c, f16_to_f32_avx2;
f32_to_f16_fn f32_to_f16_c, f32_to_f16_avx2, f32_to_f16_avx512;

#endif
