/*
 * codec - zstd's door: a payload packed and unpacked, whole
 *
 * The lengths are known beforehand, so a frame is decoded at one stroke: no
 * window is allocated, and no stream can spin or swell. One codec a thread.
 *
 * Bytes of wider elements go in planes first (formats/planes.h).
 */
#ifndef FORMATS_CODEC_H
#define FORMATS_CODEC_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct codec;

int codec_new(struct codec **c) MUST_CHECK;     /* E_NOMEM */
void codec_free(struct codec *c);               /* NULL is fine */

/* The most bytes that n bytes can become. */
size_t codec_bound(size_t n);

/*
 * n bytes of src as one zstd frame in dst (room >= codec_bound(n)), with
 * content size and checksum; *got is its length. planes: the width of an
 * element (2, 4, 8) that divides n, or 0. E_NOMEM.
 */
int codec_pack(struct codec *c, void *dst, size_t room, size_t *got,
	       const void *src, size_t n, int planes, int level) MUST_CHECK;

/* The reverse: exactly n bytes, from exactly one frame of size bytes that
 * says so itself. E_DATA, E_NOMEM. */
int codec_unpack(struct codec *c, void *dst, size_t n, const void *src,
		 size_t size, int planes) MUST_CHECK;

#endif
