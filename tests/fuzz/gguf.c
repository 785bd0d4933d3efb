/* Any bytes as a GGUF file, and what is made of it: an adapter, or the files
 * that its metadata amount to. */
#include <stdlib.h>

#include "formats/gguf_adapter.h"
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

static void make_adapter(const struct gguf *g)
{
	struct foreign *f;

	if (foreign_new(&f, STREAM_ADAPTER))
		return;
	if (!gguf_adapter_fill(f, g))
		for (size_t i = 0; i < f->n; i++)
			if (f->item[i].rows.heads &&
			    f->item[i].tensor.shape[0] %
			    f->item[i].rows.heads)
				abort();
	foreign_close(f);
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
	if (gguf_is_adapter(&g))
		make_adapter(&g);
	else
		make_files(&g);
	gguf_release(&g);
	return 0;
}
