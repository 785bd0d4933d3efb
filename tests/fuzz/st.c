/*
 * Any bytes as a tensor stream. Hashes would keep a fuzzer out, so they are
 * put right first: what is tried is what an author of bad streams can do.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/digest.h"
#include "base/io.h"
#include "base/size.h"
#include "formats/source_formats.h"
#include "formats/st_record.h"
#include "tests/fuzz/replay.h"

enum { MOST = 256 << 10 };      /* what io_in buffers */

/* x, the hash of what is decoded, is the last value of CHNK and BTCH. */
static void mend_header(uint8_t *header, size_t n, const uint8_t *payload,
			size_t size)
{
	uint64_t h = digest_64(payload, size);

	if (n < 11 || header[n - 9] != 0xcf || header[n - 10] != 'x')
		return;
	for (int i = 0; i < 8; i++)
		header[n - 8 + (size_t)i] = (uint8_t)(h >> (56 - 8 * i));
}

/* Returns the bytes of the record, as far as they are there. */
static size_t mend_record(uint8_t *at, size_t left)
{
	size_t head = size_min(le32_get(at + 12), left - ST_PREFIX);
	size_t frame = le32_get(at + 4), size = le32_get(at + 16), pad;
	size_t packed = at[40] & 1, body;

	body = 40 + head + (packed ? 0 : size);
	pad = frame > body ? frame - body : 0;
	if (head + pad + size > left - ST_PREFIX)
		return left;
	if (!packed && size)
		mend_header(at + ST_PREFIX, head,
			    at + ST_PREFIX + head + pad, size);
	memcpy(at, "\x5c\x2a\x4d\x18", 4);
	le64_put(at + 24, size ? digest_64(at + ST_PREFIX + head + pad, size) :
				 0);
	le64_put(at + 32, digest_64(at + ST_PREFIX, head));
	le32_put(at + 44, (uint32_t)digest_64(at, 44));
	return ST_PREFIX + head + pad + size;
}

static void mend(uint8_t *at, size_t size)
{
	while (size >= ST_PREFIX) {
		size_t n = mend_record(at, size);

		at += n;
		size -= n;
	}
}

static int read_item(void *self, struct item *item)
{
	TRY(format_st.next(self, item));
	if (item->kind == ITEM_TENSOR && tensor_bytes(item->tensor) < MOST)
		TRY(format_st.load(self, item->tensor));
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct io_in in = { .name = "fuzz", .have = size };
	struct item item;
	void *self;

	if (size > MOST)
		return 0;
	in.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	in.buf = malloc(MOST);
	if (in.fd < 0 || !in.buf)
		abort();
	if (size)
		memcpy(in.buf, data, size);
	mend(in.buf, size);
	if (format_st.open(&self, "fuzz", &in))
		return 0;
	do
		memset(&item, 0, sizeof(item));
	while (!read_item(self, &item) && item.kind != ITEM_NONE);
	format_st.close(self);
	return 0;
}
