/*
 * size - arithmetic on sizes that come from a file
 *
 * Every product and sum of numbers that somebody else wrote goes through
 * these. They return 1 when the result does not fit, and then leave it alone.
 */
#ifndef BASE_SIZE_H
#define BASE_SIZE_H

#include <stddef.h>
#include <stdint.h>

static inline int size_add(size_t *r, size_t a, size_t b)
{
	return __builtin_add_overflow(a, b, r);
}

static inline int size_mul(size_t *r, size_t a, size_t b)
{
	return __builtin_mul_overflow(a, b, r);
}

/* The least multiple of unit (a power of two) that is not below a; a must be
 * at least unit below SIZE_MAX. */
static inline size_t size_align(size_t a, size_t unit)
{
	return (a + unit - 1) & ~(unit - 1);
}

static inline size_t size_min(size_t a, size_t b)
{
	return a < b ? a : b;
}

static inline size_t size_max(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* The MiB that hold so many bytes. */
static inline uint64_t size_mib(uint64_t bytes)
{
	return (bytes >> 20) + (bytes << 44 != 0);
}

/* a / b, rounded up. */
static inline size_t size_ceil(size_t a, size_t b)
{
	return (a + b - 1) / b;
}

#define NELEM(array) (sizeof(array) / sizeof((array)[0]))

#endif
