/* Any bytes as a .safetensors file: what is accepted covers it exactly. */
#include <stdlib.h>

#include "formats/safetensors.h"
#include "tests/fuzz/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct safetensors s;
	uint64_t at;
	size_t head;

	if (size < 8 || safetensors_head(&head, data, size) ||
	    safetensors_parse(&s, data, head, size))
		return 0;
	at = head;
	for (size_t i = 0; i < s.n; i++) {
		if (s.entry[i].at != at)
			abort();
		at += s.entry[i].bytes;
	}
	if (at != size)
		abort();
	safetensors_release(&s);
	return 0;
}
