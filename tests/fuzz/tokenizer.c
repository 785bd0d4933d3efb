/* A tokenizer.json, a byte 0xff, and a text for it: there and back. */
#include <stdlib.h>
#include <string.h>

#include "formats/tokenizer.h"
#include "tests/fuzz/replay.h"

enum { IDS_MOST = 1 << 16 };

static void try_text(struct tokenizer *t, const char *text, size_t size)
{
	struct ids ids = { 0 };
	char *back;
	size_t n;

	for (int special = 0; special < 2; special++)
		if (!tokenizer_encode(t, text, size, special, &ids))
			for (size_t i = 0; i < ids.n; i++)
				if (ids.at[i] == UINT32_MAX)
					abort();
	if (ids.n <= IDS_MOST &&
	    !tokenizer_decode(t, ids.at, ids.n, 1, &back, &n)) {
		if (back[n])
			abort();
		free(back);
	}
	ids_release(&ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, 0xff, size) : NULL;
	size_t n = end ? (size_t)(end - data) : size;
	struct tokenizer *t;

	if (tokenizer_new(&t, (const char *)data, n, (const char *)data, n))
		return 0;
	if (end)
		try_text(t, (const char *)end + 1, size - n - 1);
	tokenizer_free(t);
	return 0;
}
