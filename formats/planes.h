/*
 * planes - the bytes of elements, most significant ones first
 *
 * Of n / width elements: all highest bytes, then all second ones, and so on.
 * Sign and exponent compress well among themselves, mantissas do not.
 */
#ifndef FORMATS_PLANES_H
#define FORMATS_PLANES_H

#include <stddef.h>

/* width is 2, 4 or 8 and divides n; dst and src do not overlap. */
void planes_split(void *dst, const void *src, size_t n, size_t width);
void planes_join(void *dst, const void *src, size_t n, size_t width);

#endif
