/* A template, a byte 0xff, and the JSON of its variables: twice the same. */
#include <stdlib.h>
#include <string.h>

#include "formats/jinja.h"
#include "tests/fuzz/replay.h"

static void try_render(struct jinja *t, json_t *variables)
{
	struct text once = { 0 }, again = { 0 };

	if (jinja_render(t, variables, &once)) {
		if (once.n)
			abort();
	} else if (jinja_render(t, variables, &again) || once.n != again.n ||
		   memcmp(once.at, again.at, once.n)) {
		abort();
	}
	text_release(&once);
	text_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, 0xff, size) : NULL;
	size_t n = end ? (size_t)(end - data) : size;
	json_t *variables = NULL;
	struct jinja *t;

	if (end && json_parse(&variables, (const char *)end + 1, size - n - 1))
		return 0;
	if (!variables)
		variables = json_object();
	if (!jinja_new(&t, (const char *)data, n)) {
		try_render(t, variables);
		jinja_free(t);
	}
	json_decref(variables);
	return 0;
}
