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

/* f32: at most 1 ulp off; NaN gives NaN. */
float math_exp(float x);
float math_log(float x);        /* x > 0; log(0) is -infinity */
float math_tanh(float x);
float math_erf(float x);

/* f64: within 2 ulp; sin and cos for |x| < 2^30, or, near their zeros, within
 * 2^-68. */
double math_exp64(double x);
double math_log64(double x);
double math_sin64(double x);
double math_cos64(double x);
double math_pow64(double x, double y);  /* x > 0 */

#endif
