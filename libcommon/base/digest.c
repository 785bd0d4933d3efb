#include "base/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct digest {
	XXH3_state_t *narrow, *wide;
};

uint64_t digest_64(const void *at, size_t n)
{
	return XXH3_64bits(at, n);
}

int digest_new(struct digest **d)
{
	struct digest *new = calloc(1, sizeof(*new));

	*d = NULL;
	if (!new)
		return err_set(E_NOMEM, "out of memory");
	new->narrow = XXH3_createState();
	new->wide = XXH3_createState();
	if (!new->narrow || !new->wide) {
		digest_free(new);
		return err_set(E_NOMEM, "out of memory");
	}
	digest_reset(new);
	*d = new;
	return 0;
}

void digest_free(struct digest *d)
{
	if (!d)
		return;
	XXH3_freeState(d->narrow);
	XXH3_freeState(d->wide);
	free(d);
}

/* The calls below report only NULL arguments. */
void digest_reset(struct digest *d)
{
	XXH3_64bits_reset(d->narrow);
	XXH3_128bits_reset(d->wide);
}

void digest_add(struct digest *d, const void *at, size_t n)
{
	if (!n)
		return;
	XXH3_64bits_update(d->narrow, at, n);
	XXH3_128bits_update(d->wide, at, n);
}

uint64_t digest_get_64(const struct digest *d)
{
	return XXH3_64bits_digest(d->narrow);
}

void digest_get_128(const struct digest *d, unsigned char to[DIGEST_SIZE])
{
	XXH128_canonical_t c;

	XXH128_canonicalFromHash(&c, XXH3_128bits_digest(d->wide));
	memcpy(to, c.digest, DIGEST_SIZE);
}

void digest_hex(char hex[DIGEST_HEX], const unsigned char from[DIGEST_SIZE])
{
	for (size_t i = 0; i < DIGEST_SIZE; i++)
		snprintf(hex + 2 * i, 3, "%02x", from[i]);
}

int digest_unhex(unsigned char to[DIGEST_SIZE], const char *hex)
{
	static const char digit[] = "0123456789abcdef";

	if (strlen(hex) != 2 * DIGEST_SIZE ||
	    strspn(hex, digit) != 2 * DIGEST_SIZE)
		return 1;
	for (size_t i = 0; i < DIGEST_SIZE; i++)
		to[i] = (unsigned char)((strchr(digit, hex[2 * i]) - digit)
					<< 4 |
					(strchr(digit, hex[2 * i + 1]) -
					 digit));
	return 0;
}
