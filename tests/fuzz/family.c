/* Any bytes as a family, and behind a 0 byte as its config.json. */
#include <stdlib.h>
#include <string.h>

#include "arch/program.h"
#include "tests/fuzz/replay.h"

static void names(const struct family *f)
{
	size_t n, layer;
	const char *suffix;
	const struct family_tensor *t = family_tensors(f, &n);

	for (size_t i = 0; i < n; i++) {
		char name[2 * FAMILY_PATH];

		family_hf_name(name, sizeof(name), &t[i], 7);
		(void)family_match_hf(f, name, &layer, &suffix);
		family_gguf_name(name, sizeof(name), &t[i], 7);
		(void)family_match_gguf(f, name, &layer, &suffix);
	}
}

static void configure(const struct family *f, const char *text, size_t size)
{
	struct tensor_set none = { 0 };
	struct family_config *c;
	struct program *p;
	json_t *config;

	if (json_parse(&config, text, size))
		return;
	if (!family_configure(&c, f, config)) {
		if (!program_new(&p, f, c, &none))
			program_free(p);
		family_config_free(c);
	}
	json_decref(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	const char *end = size ? memchr(text, 0, size) : NULL;
	size_t n = end ? (size_t)(end - text) : size;
	struct family *f;

	if (size > 1 << 16 || family_parse(&f, text, n, "fuzz"))
		return 0;
	names(f);
	if (end)
		configure(f, end + 1, size - n - 1);
	family_free(f);
	return 0;
}
