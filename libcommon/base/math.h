/*
 * math - the functions that feed an output, in C that every machine computes
 * to the same bits
 *
 * libm's results differ from library to library; these do not. They use only
 * + - * / and fma, rint, floor, sqrt, which IEEE 754 fixes. Vector variants
 * in kernel/ give the same bits, element by element.
 */
#ifndef BASE_MATH_H
#define BASE_MATH_H

/* Outside of these math_exp gives 0 and infinity: the least and the most whose
 * results are normal numbers. */
#define MATH_EXP_LEAST -0x1.5d589ep+6f /* -87.33654 */
#define MATH_EXP_MOST  0x1.62e42ep+6f  /* 88.72283 */

/* f32: at most 1 ulp off, tanh and erf 1.2; NaN gives NaN. */
float math_exp(float x);
float math_log(float x);        /* x > 0; log(0) is -infinity */
float math_tanh(float x);
float math_erf(float x);

/* What tanh and erf are made of, from the lowest power: math.c says how,
 * kernel/x16_math.h is the same in vectors. */
#define MATH_TANH_SMALL 0.8f
#define MATH_TANH                                                       \
	-0x1.55553ep-2f, 0x1.110b3cp-3f, -0x1.b92886p-5f, 0x1.5d0738p-6f, \
	-0x1.e597c0p-8f, 0x1.9f6f32p-10f
#define MATH_ERF_LOW                                                    \
	0x1.06eba8p-3f, -0x1.81273ep-2f, 0x1.ce2cf8p-4f, -0x1.b7f90cp-6f, \
	0x1.5405b2p-8f, -0x1.a3f700p-11f, 0x1.496a30p-14f
#define MATH_ERF_HIGH                                                   \
	-0x1.20e412p+0f, -0x1.458bb4p-1f, -0x1.ae8e3ap-4f,              \
	0x1.758798p-6f, -0x1.a1b7f4p-9f, 0x1.b9bfc0p-13f

/* f64: within 2 ulp; sin and cos for |x| < 2^30, or, near their zeros, within
 * 2^-68. */
double math_exp64(double x);
double math_log64(double x);
double math_sin64(double x);
double math_cos64(double x);
double math_pow64(double x, double y);  /* x > 0 */

#endif
