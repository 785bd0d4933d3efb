/*
 * digest - xxhash's door: XXH3, seed 0, 64 bits and 128
 *
 * For integrity, and to name content; no protection against forgery.
 */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum { DIGEST_SIZE = 16, DIGEST_HEX = 33 };

uint64_t digest_64(const void *at, size_t n);

/* A digest of bytes that come piece by piece. */
struct digest;

int digest_new(struct digest **d) MUST_CHECK;   /* E_NOMEM */
void digest_free(struct digest *d);             /* NULL is fine */
void digest_reset(struct digest *d);
void digest_add(struct digest *d, const void *at, size_t n);

/* Of all that was added since digest_reset(). */
uint64_t digest_get_64(const struct digest *d);

/* The 128-bit one, in canonical (big-endian) byte order. */
void digest_get_128(const struct digest *d, unsigned char to[DIGEST_SIZE]);

/* 32 lower-case digits and their end; back again: 1 if it is not that. */
void digest_hex(char hex[DIGEST_HEX], const unsigned char from[DIGEST_SIZE]);
int digest_unhex(unsigned char to[DIGEST_SIZE], const char *hex);

#endif
