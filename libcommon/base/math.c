#include "base/math.h"

#include "base/size.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

static double from_bits(uint64_t u)
{
	double x;

	memcpy(&x, &u, sizeof(x));
	return x;
}

static uint64_t bits(double x)
{
	uint64_t u;

	memcpy(&u, &x, sizeof(u));
	return u;
}

/* 2^n for -1022 <= n <= 1023. */
static double power_of_two(int n)
{
	return from_bits((uint64_t)(n + 1023) << 52);
}

/*
 * exp(x) = 2^n exp(r), |r| <= log(2)/2, exp(r) = 1 + r + r^2 P(r) with P
 * fitted at Chebyshev nodes (relative error 3e-9). log(2) is taken off in two
 * parts, the first with so few bits that n times it is exact.
 */
float math_exp(float x)
{
	static const float c[] = { 0x1.000000p-1f, 0x1.555556p-3f,
				   0x1.5554eap-5f, 0x1.1110e0p-7f,
				   0x1.6d4324p-10f, 0x1.a124f2p-13f };
	float n, r, p;
	uint32_t u;

	if (!(x <= MATH_EXP_MOST))
		return x > 0 ? INFINITY : x;
	if (x < MATH_EXP_LEAST)
		return 0;
	n = rintf(x * 0x1.715476p+0f);
	r = fmaf(n, -0x1.63p-1f, x);
	r = fmaf(n, 0x1.bd0106p-13f, r);
	p = c[5];
	for (int i = 4; i >= 0; i--)
		p = fmaf(p, r, c[i]);
	p = fmaf(p, r * r, r) + 1;
	memcpy(&u, &p, sizeof(u));
	u += (uint32_t)(int)n << 23;
	memcpy(&p, &u, sizeof(p));
	return p;
}

/* c[0] + c[1] x + ... */
static float polynomial(const float *c, int n, float x)
{
	float p = c[n - 1];

	for (int i = n - 2; i >= 0; i--)
		p = fmaf(p, x, c[i]);
	return p;
}

/* x + x^3 P(x^2) below MATH_TANH_SMALL, P fitted to a relative error of 4e-9;
 * from there on 1 - 2 / (exp(2x) + 1) has lost nothing. */
float math_tanh(float x)
{
	static const float c[] = { MATH_TANH };
	float y = fabsf(x), z = y * y;

	if (y < MATH_TANH_SMALL)
		y = fmaf(polynomial(c, NELEM(c), z) * z, y, y);
	else
		y = 1 - 2 / (math_exp(2 * y) + 1);
	return copysignf(y, x);
}

/* x + x P(x^2) below 1, P fitted to a relative error of 1.3e-9; from there on
 * 1 - exp(x Q(x)), Q to 2.5e-9 of the whole. From 4 on, erf rounds to 1. */
float math_erf(float x)
{
	static const float low[] = { MATH_ERF_LOW };
	static const float high[] = { MATH_ERF_HIGH };
	float y = fabsf(x);

	if (y < 1) {
		y = fmaf(polynomial(low, NELEM(low), y * y), y, y);
	} else {
		y = 4 < y ? 4 : y;
		y = 1 - math_exp(polynomial(high, NELEM(high), y) * y);
	}
	return copysignf(y, x);
}

#define LN2_HIGH 0x1.62e42feep-1 /* 32 bits: times any exponent is exact */
#define LN2_LOW  0x1.a39ef35793c76p-33

double math_exp64(double x)
{
	/* 1 / i!, to 14: the next term is below 2^-55 at log(2) / 2. */
	static const double c[] = {
		1,           1,           1.0 / 2,         1.0 / 6,
		1.0 / 24,    1.0 / 120,   1.0 / 720,       1.0 / 5040,
		1.0 / 40320, 1.0 / 362880, 1.0 / 3628800,  1.0 / 39916800,
		1.0 / 479001600, 1.0 / 6227020800,
	};
	double n, r, p = c[13];
	int half;

	if (!(x < 709.79))
		return x > 0 ? INFINITY : x;
	if (x < -745.2)
		return 0;
	n = rint(x * 0x1.71547652b82fep+0);
	r = fma(n, -LN2_HIGH, x);
	r = fma(n, -LN2_LOW, r);
	for (int i = 12; i >= 2; i--)
		p = fma(p, r, c[i]);
	p = fma(p, r * r, r) + 1;
	half = (int)n / 2; /* twice, so that neither power overflows */
	return p * power_of_two(half) * power_of_two((int)n - half);
}

/* x = 2^k m, m in [sqrt(1/2), sqrt(2)); 0 < x < infinity. */
static double split(double x, int *k)
{
	uint64_t u;
	int e = 0;

	if (x < 0x1p-1022) {
		x *= 0x1p54;
		e = -54;
	}
	u = bits(x);
	e += (int)(u >> 52) - 1023;
	u = (u & 0xfffffffffffff) | 0x3ff0000000000000;
	x = from_bits(u);
	if (x > 0x1.6a09e667f3bcdp+0) {
		x /= 2;
		e++;
	}
	*k = e;
	return x;
}

/* The sum over i >= 2 of z^(i-2) / (2i + 1): what atanh(s) / s = 1 + z/3 +
 * z^2 (...) with z = s^2 <= 0.0295 has left. */
static double atanh_tail(double z)
{
	double q = 1.0 / 25;

	for (int i = 23; i >= 5; i -= 2)
		q = fma(q, z, 1.0 / i);
	return q;
}

static int log_special(double x, double *y)
{
	if (x > 0 && x < INFINITY)
		return 0;
	*y = x == 0 ? -INFINITY : x > 0 || isnan(x) ? x : NAN;
	return 1;
}

/* As math_log64(), to 2^-40 and without fma: it is called for every row of
 * attention. */
float math_log(float x)
{
	double y, m, s, z, q = 1.0 / 17;
	int k;

	if (log_special(x, &y))
		return (float)y;
	m = split(x, &k);
	s = (m - 1) / (m + 1);
	z = s * s;
	for (int i = 15; i >= 3; i -= 2)
		q = q * z + 1.0 / i;
	return (float)(2 * (s + s * z * q) + k * 0x1.62e42fefa39efp-1);
}

/* A number as the sum of two, the second below the first's last bit. */
struct two {
	double high, low;
};

static struct two two_sum(double a, double b) /* |a| >= |b|, or a is 0 */
{
	double s = a + b;

	return (struct two){ s, b - (s - a) };
}

static struct two two_mul(struct two a, struct two b)
{
	double p = a.high * b.high;
	double e = fma(a.high, b.high, -p);

	return two_sum(p, fma(a.high, b.low, fma(a.low, b.high, e)));
}

static struct two two_add(struct two a, struct two b) /* |a| >= |b| */
{
	struct two s = two_sum(a.high, b.high);

	return two_sum(s.high, s.low + (a.low + b.low));
}

/* log(x) to 2^-65: log(m) = 2 atanh(s), s = (m - 1) / (m + 1). */
static struct two log_two(double x)
{
	static const struct two third = { 0x1.5555555555555p-2,
					  0x1.5555555555555p-56 };
	struct two d, s, z, w, t;
	double m, f;
	int k;

	m = split(x, &k);
	f = m - 1;
	d = two_sum(2, f);
	s.high = f / d.high;
	s.low = (fma(-s.high, d.high, f) - s.high * d.low) / d.high;
	z = two_mul(s, s);
	w = two_mul(z, third);
	w = two_add(w, two_sum(z.high * z.high * atanh_tail(z.high), 0));
	t = two_mul(s, two_add((struct two){ 1, 0 }, w));
	t.high *= 2;
	t.low *= 2;
	if (!k)
		return t;
	d = two_sum(k * LN2_HIGH, k * LN2_LOW);
	d.low += fma(k, LN2_LOW, -(k * LN2_LOW)) + k * 0x1.cc01f97b57a08p-87;
	return two_add(d, t);
}

double math_log64(double x)
{
	double y;

	if (log_special(x, &y))
		return y;
	return log_two(x).high;
}

double math_pow64(double x, double y)
{
	struct two p;
	double special, e;

	if (y == 0 || x == 1)
		return 1;
	if (log_special(x, &special))
		return math_exp64(y * special);
	p = log_two(x);
	p = two_mul(p, (struct two){ y, 0 });
	if (!(fabs(p.high) < 746))
		return math_exp64(p.high);
	e = math_exp64(p.high);
	return e == INFINITY ? e : fma(e, p.low, e);
}

/*
 * x = n pi/2 + r, pi/2 in three parts of which the first two have 23 bits, so
 * that n < 2^30 times them is exact; r as a sum of two.
 */
static struct two quarter(double x, unsigned *n)
{
	double k = rint(x * 0x1.45f306dc9c883p-1);
	double a = fma(-k, 0x1.921fb4p+0, x);
	double b = k * 0x1.4442dp-24, r = a - b, low;
	double shift = r - a;

	low = (a - (r - shift)) + (-b - shift);
	low -= k * 0x1.8469898cc5170p-48;
	*n = (unsigned)(int64_t)k & 3;
	return (struct two){ r + low, low - ((r + low) - r) };
}

/* Taylor's series on |r| <= pi/4, with the low part's first order. */
static double sine(struct two r)
{
	double z = r.high * r.high, p = 1.0 / 355687428096000;

	p = fma(p, z, -1.0 / 1307674368000);
	p = fma(p, z, 1.0 / 6227020800);
	p = fma(p, z, -1.0 / 39916800);
	p = fma(p, z, 1.0 / 362880);
	p = fma(p, z, -1.0 / 5040);
	p = fma(p, z, 1.0 / 120);
	p = fma(p, z, -1.0 / 6);
	return r.high + fma(p * z, r.high, fma(-z / 2, r.low, r.low));
}

static double cosine(struct two r)
{
	double z = r.high * r.high, p = -1.0 / 6402373705728000, h, w;

	p = fma(p, z, 1.0 / 20922789888000);
	p = fma(p, z, -1.0 / 87178291200);
	p = fma(p, z, 1.0 / 479001600);
	p = fma(p, z, -1.0 / 3628800);
	p = fma(p, z, 1.0 / 40320);
	p = fma(p, z, -1.0 / 720);
	p = fma(p, z, 1.0 / 24);
	h = z / 2;
	w = 1 - h;
	return w + (((1 - w) - h) + fma(p * z, z, -r.high * r.low));
}

double math_sin64(double x)
{
	unsigned n;
	struct two r = quarter(x, &n);
	double y = n & 1 ? cosine(r) : sine(r);

	return n & 2 ? -y : y;
}

double math_cos64(double x)
{
	unsigned n;
	struct two r = quarter(x, &n);
	double y = n & 1 ? sine(r) : cosine(r);

	return n == 1 || n == 2 ? -y : y;
}
