#include "kernel/gate.h"

#include "base/math.h"

#include <math.h>

/* An activation and its derivative at x. */
struct slope {
	float y, dy;
};

static float silu(float x)
{
	return x / (1 + math_exp(-x));
}

static struct slope silu_slope(float x)
{
	float s = 1 / (1 + math_exp(-x)), y = x * s;

	return (struct slope){ y, fmaf(y, 1 - s, s) };
}

/* tanh(sqrt(2/pi) (x + 0.044715 x^3)) */
static float tanh_part(float x)
{
	return math_tanh(0.7978845608f * x * fmaf(0.044715f * x, x, 1));
}

static float gelu_tanh(float x)
{
	return 0.5f * x * (1 + tanh_part(x));
}

static struct slope gelu_tanh_slope(float x)
{
	float t = tanh_part(x);
	float inner = 0.7978845608f * fmaf(0.134145f * x, x, 1);

	return (struct slope){
		0.5f * x * (1 + t),
		0.5f * fmaf(x * fmaf(-t, t, 1), inner, 1 + t),
	};
}

static float erf_part(float x)
{
	return 0.5f * (1 + math_erf(0.7071067812f * x));
}

static float gelu_erf(float x)
{
	return x * erf_part(x);
}

static struct slope gelu_erf_slope(float x)
{
	float s = erf_part(x);

	return (struct slope){
		x * s,
		fmaf(0.3989422804f * x, math_exp(-0.5f * x * x), s),
	};
}

#define GATE(act)                                                          \
	void act##_gate_c(float *y, const float *gate, const float *up,    \
			  size_t n)                                        \
	{                                                                  \
		for (size_t i = 0; i < n; i++)                             \
			y[i] = up ? act(gate[i]) * up[i] : act(gate[i]);   \
	}                                                                  \
                                                                           \
	void act##_gate_backward_c(float *dgate, float *dup,               \
				   const float *dy, const float *gate,     \
				   const float *up, size_t n)              \
	{                                                                  \
		for (size_t i = 0; i < n; i++) {                           \
			struct slope a = act##_slope(gate[i]);             \
			float g = dy[i], u = up ? up[i] : 1;               \
                                                                           \
			dgate[i] = g * u * a.dy;                           \
			if (up)                                            \
				dup[i] = g * a.y;                          \
		}                                                          \
	}

GATE(silu)
GATE(gelu_tanh)
GATE(gelu_erf)
