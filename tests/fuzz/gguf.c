/* Any bytes as a GGUF file, and the files that are made from its metadata. */
#include <stdlib.h>

#include "formats/gguf_files.h"
#include "tests/fuzz/replay.h"

static void make_files(const struct gguf *g)
{
	const struct file none = { 0 };
	json_t *json;

	if (!gguf_config(&json, g, &none))
		json_decref(json);
	if (!gguf_generation(&json, g))
		json_decref(json);
	if (!gguf_tokenizer(&json, g))
		json_decref(json);
	if (!gguf_tokenizer_config(&json, g))
		json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gguf g;

	if (gguf_parse(&g, data, size, size))
		return 0;
	for (size_t i = 0; i < g.ntensor; i++)
		if (g.tensor[i].at > size ||
		    g.tensor[i].bytes > size - g.tensor[i].at)
			abort();
	make_files(&g);
	gguf_release(&g);
	return 0;
}
