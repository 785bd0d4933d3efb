/*
 * gate - the activation of a feed-forward layer, times the other branch
 *
 *   silu_gate       y = g / (1 + exp(-g)) u             SwiGLU
 *   gelu_tanh_gate  y = g/2 (1 + tanh(sqrt(2/pi) (g + 0.044715 g^3))) u
 *   gelu_erf_gate   y = g/2 (1 + erf(g / sqrt(2))) u    GEGLU
 *
 * Shazeer 2020, arXiv:2002.05202; Hendrycks & Gimpel 2016, arXiv:1606.08415.
 * Arrays of n; up NULL is a branch of ones: the plain activation. y may be
 * gate or up. Call as kernels()->silu_gate(...), kernel/table.h; every variant
 * gives the bits of the plain C one.
 */
#ifndef KERNEL_GATE_H
#define KERNEL_GATE_H

#include <stddef.h>

typedef void gate_fn(float *y, const float *gate, const float *up, size_t n);
typedef gate_fn silu_gate_fn, gelu_tanh_gate_fn, gelu_erf_gate_fn;

silu_gate_fn silu_gate_c, silu_gate_avx2, silu_gate_avx512;
gelu_tanh_gate_fn gelu_tanh_gate_c, gelu_tanh_gate_avx2, gelu_tanh_gate_avx512;
gelu_erf_gate_fn gelu_erf_gate_c, gelu_erf_gate_avx2, gelu_erf_gate_avx512;

/* dgate = dy u act'(g), dup = dy act(g). gate, up are forward's. With up NULL,
 * dup is not touched and may be NULL. Each output may be any one input. */
typedef void gate_backward_fn(float *dgate, float *dup, const float *dy,
			      const float *gate, const float *up, size_t n);
typedef gate_backward_fn silu_gate_backward_fn, gelu_tanh_gate_backward_fn,
	gelu_erf_gate_backward_fn;

silu_gate_backward_fn silu_gate_backward_c, silu_gate_backward_avx2,
	silu_gate_backward_avx512;
gelu_tanh_gate_backward_fn gelu_tanh_gate_backward_c,
	gelu_tanh_gate_backward_avx2, gelu_tanh_gate_backward_avx512;
gelu_erf_gate_backward_fn gelu_erf_gate_backward_c,
	gelu_erf_gate_backward_avx2, gelu_erf_gate_backward_avx512;

#endif
