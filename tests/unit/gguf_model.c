/* The real model's GGUF: what its blocks decode to, by digest (golden G).
 * Needs WEFT_MODEL, the path of the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "formats/gguf.h"
#include "tests/unit/golden.h"

/* The SHA-256 of n values, by coreutils. */
static void digest_of(char hex[65], const float *x, size_t n)
{
	char path[] = "/tmp/weft-gguf.XXXXXX", command[64];
	int fd = mkstemp(path);
	FILE *f = fdopen(fd, "wb"), *p;

	assert_non_null(f);
	assert_int_equal(fwrite(x, sizeof(*x), n, f), n);
	assert_int_equal(fclose(f), 0);
	snprintf(command, sizeof(command), "sha256sum < %s", path);
	p = popen(command, "r");
	assert_non_null(p);
	assert_int_equal(fscanf(p, "%64s", hex), 1);
	assert_int_equal(pclose(p), 0);
	remove(path);
}

static void check_tensor(const struct gguf_tensor *t, const struct file *file,
			 json_t *want)
{
	unsigned char *raw = malloc(t->bytes);
	float *x = malloc(t->count * sizeof(*x));
	char hex[65] = "";

	assert_non_null(raw);
	assert_non_null(x);
	assert_int_equal(file_read(file, raw, t->bytes, t->at), 0);
	assert_string_equal(t->block->name, json_text(want, "type", ""));
	if (t->block->decode)
		t->block->decode(x, raw, 0, t->count / GGUF_UNIT);
	else
		assert_int_equal(dtype_to_f32(x, t->block->dtype, raw,
					      t->count), 0);
	digest_of(hex, x, t->count);
	golden_report("G/gguf", t->block->name,
		      strcmp(hex, json_text(want, "sha256", "none")) != 0, 0);
	free(raw);
	free(x);
}

static void blocks_decode_to_the_reference_s_values(void **state)
{
	char *path = getenv("WEFT_MODEL"), name[128];
	struct golden g;
	struct file f;
	struct gguf m;
	json_t *all, *want;

	(void)state;
	if (!path) {
		print_message("WEFT_MODEL is not set\n");
		skip();
	}
	golden_case(&g, "G/gguf");
	all = json_object_get(g.json, "weights");
	assert_int_equal(file_open(&f, *path == '/' ? "/" : ".",
				   path + (*path == '/')), 0);
	assert_int_equal(gguf_read(&m, &f), 0);
	assert_int_equal(m.ntensor, json_object_size(all));
	for (size_t i = 0; i < m.ntensor; i++) {
		snprintf(name, sizeof(name), "%.*s", (int)m.tensor[i].length,
			 m.tensor[i].name);
		want = json_object_get(all, name);
		assert_non_null(want);
		check_tensor(&m.tensor[i], &f, want);
	}
	gguf_release(&m);
	file_close(&f);
	golden_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_decode_to_the_reference_s_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
