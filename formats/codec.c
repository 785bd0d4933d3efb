#include "formats/codec.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/bytes.h"
#include "formats/planes.h"

struct codec {
	ZSTD_CCtx *pack;
	ZSTD_DCtx *unpack;
	unsigned char *planes;
	size_t room;
};

int codec_new(struct codec **c)
{
	struct codec *new = calloc(1, sizeof(*new));

	*c = NULL;
	if (new) {
		new->pack = ZSTD_createCCtx();
		new->unpack = ZSTD_createDCtx();
	}
	if (!new || !new->pack || !new->unpack) {
		codec_free(new);
		return err_set(E_NOMEM, "out of memory");
	}
	*c = new;
	return 0;
}

void codec_free(struct codec *c)
{
	if (!c)
		return;
	ZSTD_freeCCtx(c->pack);
	ZSTD_freeDCtx(c->unpack);
	free(c->planes);
	free(c);
}

size_t codec_bound(size_t n)
{
	return ZSTD_compressBound(n);
}

static int reserve(struct codec *c, size_t n)
{
	unsigned char *more;

	if (n <= c->room)
		return 0;
	more = realloc(c->planes, n);
	if (!more)
		return err_set(E_NOMEM, "out of memory");
	c->planes = more;
	c->room = n;
	return 0;
}

int codec_pack(struct codec *c, void *dst, size_t room, size_t *got,
	       const void *src, size_t n, int planes, int level)
{
	size_t r;

	if (planes) {
		TRY(reserve(c, n));
		planes_split(c->planes, src, n, (size_t)planes);
		src = c->planes;
	}
	r = ZSTD_CCtx_setParameter(c->pack, ZSTD_c_compressionLevel, level);
	if (!ZSTD_isError(r))
		r = ZSTD_CCtx_setParameter(c->pack, ZSTD_c_checksumFlag, 1);
	if (!ZSTD_isError(r))
		r = ZSTD_compress2(c->pack, dst, room, src, n);
	if (ZSTD_isError(r))
		return err_set(E_NOMEM, "zstd: %s", ZSTD_getErrorName(r));
	*got = r;
	return 0;
}

/* RFC 8878, 3.1.1.1.1: bit 2 of the descriptor says that there is a checksum,
 * bits 0 and 1 that there is a dictionary, bit 3 is reserved. */
static int check_frame(const unsigned char *src, size_t size, size_t n)
{
	if (size < 9 || le32_get(src) != ZSTD_MAGICNUMBER)
		return err_set(E_DATA, "packed payload is no zstd frame");
	if ((src[4] & 0x0f) != 4)
		return err_set(E_DATA, "zstd frame without checksum, or with "
			       "a dictionary");
	if (ZSTD_getFrameContentSize(src, size) != n)
		return err_set(E_DATA, "zstd frame holds another size than "
			       "its record says");
	if (ZSTD_findFrameCompressedSize(src, size) != size)
		return err_set(E_DATA, "packed payload is not one zstd frame");
	return 0;
}

int codec_unpack(struct codec *c, void *dst, size_t n, const void *src,
		 size_t size, int planes)
{
	void *to = dst;
	size_t r;

	TRY(check_frame(src, size, n));
	if (planes) {
		TRY(reserve(c, n));
		to = c->planes;
	}
	r = ZSTD_decompressDCtx(c->unpack, to, n, src, size);
	if (ZSTD_isError(r))
		return err_set(E_DATA, "zstd: %s", ZSTD_getErrorName(r));
	if (r != n)
		return err_set(E_DATA, "zstd frame is too short");
	if (planes)
		planes_join(dst, c->planes, n, (size_t)planes);
	return 0;
}
