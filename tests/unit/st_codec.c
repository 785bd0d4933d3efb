/* Packed payloads: exactly one frame of exactly the size that was said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zstd.h>

#include "formats/codec.h"
#include "formats/planes.h"

enum { N = 24 << 10, ROOM = 64 << 10 };

static struct codec *codec;
static unsigned char plain[N], packed[ROOM], back[N];

static void fill(void)
{
	for (size_t i = 0; i < N; i++)
		plain[i] = (unsigned char)(i % 7 * (i >> 9));
}

/* A frame of our making, with these parameters. */
static size_t frame(size_t n, int checksum, int size)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();
	size_t got;

	ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, checksum);
	ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, size);
	got = ZSTD_compress2(c, packed, ROOM, plain, n);
	assert_false(ZSTD_isError(got));
	ZSTD_freeCCtx(c);
	return got;
}

static int unpack(size_t n, size_t size, int planes)
{
	return codec_unpack(codec, back, n, packed, size, planes);
}

static void planes_come_back(void **state)
{
	(void)state;
	fill();
	for (int planes = 0; planes <= 8; planes = planes ? 2 * planes : 2)
		for (int level = 1; level < 4; level++) {
			size_t got;

			assert_int_equal(codec_pack(codec, packed, ROOM, &got,
						    plain, N, planes, level),
					 0);
			memset(back, 0xa5, N);
			assert_int_equal(unpack(N, got, planes), 0);
			assert_memory_equal(back, plain, N);
		}
}

/* Counts that no step divides. */
static void short_planes_come_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < N; i++)
		plain[i] = (unsigned char)(i * 31 + 7);
	for (size_t width = 2; width <= 8; width *= 2)
		for (size_t count = 0; count < 20; count++) {
			size_t n = count * width;

			memset(packed, 0xa5, n + 1);
			memset(back, 0xa5, n + 1);
			planes_split(packed, plain, n, width);
			for (size_t i = 0; i < n; i++)
				assert_int_equal(
					packed[(width - 1 - i % width) * count +
					       i / width], plain[i]);
			planes_join(back, packed, n, width);
			assert_memory_equal(back, plain, n);
			assert_int_equal(packed[n], 0xa5);
			assert_int_equal(back[n], 0xa5);
		}
}

/* The highest byte of each element stands in the first plane. */
static void planes_are_where_the_format_says(void **state)
{
	static const unsigned char in[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	static const unsigned char two[] = { 2, 4, 6, 8, 1, 3, 5, 7 };
	static const unsigned char four[] = { 4, 8, 3, 7, 2, 6, 1, 5 };
	size_t got;

	(void)state;
	assert_int_equal(codec_pack(codec, packed, ROOM, &got, in, 8, 2, 1),
			 0);
	assert_int_equal(ZSTD_decompress(back, 8, packed, got), 8);
	assert_memory_equal(back, two, 8);
	assert_int_equal(codec_pack(codec, packed, ROOM, &got, in, 8, 4, 1),
			 0);
	assert_int_equal(ZSTD_decompress(back, 8, packed, got), 8);
	assert_memory_equal(back, four, 8);
}

static void other_frames_are_refused(void **state)
{
	size_t got;

	(void)state;
	fill();
	got = frame(N, 1, 1);
	assert_int_equal(unpack(N, got, 0), 0);
	assert_int_equal(unpack(N - 1, got, 0), E_DATA);
	assert_int_equal(unpack(N, got - 1, 0), E_DATA);
	assert_int_equal(unpack(N, got + 1, 0), E_DATA);
	memcpy(packed + got, packed, got);
	assert_int_equal(unpack(N, 2 * got, 0), E_DATA); /* two frames */
	memcpy(packed + got, "\x50\x2a\x4d\x18\x01\0\0\0\0", 9);
	assert_int_equal(unpack(N, got + 9, 0), E_DATA); /* and one to skip */
	packed[got / 2] ^= 4;
	assert_int_equal(unpack(N, got, 0), E_DATA);
	got = frame(N, 0, 1);
	assert_int_equal(unpack(N, got, 0), E_DATA);    /* no checksum */
	got = frame(N, 1, 0);
	assert_int_equal(unpack(N, got, 0), E_DATA);    /* no size */
	got = frame(N, 1, 1);
	packed[4] |= 1;                                 /* a dictionary */
	assert_int_equal(unpack(N, got, 0), E_DATA);
	memcpy(packed, "\x50\x2a\x4d\x18\x08\0\0\0", 8); /* skippable */
	assert_int_equal(unpack(8, 16, 0), E_DATA);
	assert_int_equal(unpack(N, 0, 0), E_DATA);
}

/* 64 MiB of zeros in 6 KiB say so themselves, and are not asked for. */
static void a_bomb_does_not_go_off(void **state)
{
	size_t n = 64 << 20, got;
	char *zeros = calloc(n, 1);
	ZSTD_CCtx *c = ZSTD_createCCtx();

	(void)state;
	assert_non_null(zeros);
	ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
	got = ZSTD_compress2(c, packed, ROOM, zeros, n);
	assert_false(ZSTD_isError(got));
	assert_int_equal(unpack(N, got, 0), E_DATA);
	ZSTD_freeCCtx(c);
	free(zeros);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(planes_come_back),
		cmocka_unit_test(short_planes_come_back),
		cmocka_unit_test(planes_are_where_the_format_says),
		cmocka_unit_test(other_frames_are_refused),
		cmocka_unit_test(a_bomb_does_not_go_off),
	};
	int failed;

	if (codec_new(&codec))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	codec_free(codec);
	return failed;
}
