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

/* f32: at most 1 ulp off; math_exp flushes to 0 below -87.3 and gives
 * infinity above 88.7. */
float math_exp(float x);
float math_log(float x);        /* x > 0; log(0) is -infinity */
float math_tanh(float x);
float math_erf(float x);

/* f64: within 2 ulp in the range that the callers need (|x| < 2^30). */
double math_exp64(double x);
double math_log64(double x);
double math_sin64(double x);
double math_cos64(double x);
double math_pow64(double x, double y);  /* x > 0 */

#endif
