/* A real model's weights against the digests of what bitsandbytes made of
 * them. Needs WEFT_MODEL, the path of its .gguf. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "formats/source.h"
#include "quant/quant_nf4.h"
#include "tests/unit/golden.h"

#include <math.h>
#include <unistd.h>

static void write_part(const char *dir, const char *name, const void *data,
		       size_t bytes)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, bytes, f), bytes);
	assert_int_equal(fclose(f), 0);
}

/* The SHA-256 of <dir>/<name>, which goes away. */
static void check_part(const char *dir, const char *name, json_t *want)
{
	char text[200], digest[65] = "";
	FILE *p;

	snprintf(text, sizeof(text), "sha256sum < %s/%s", dir, name);
	p = popen(text, "r");
	assert_non_null(p);
	assert_int_equal(fscanf(p, "%64s", digest), 1);
	assert_int_equal(pclose(p), 0);
	snprintf(text, sizeof(text), "%s/%s", dir, name);
	unlink(text);
	golden_report("G/nf4_digests", name,
		      strcmp(digest, json_text(want, name, "none")) != 0, 0);
}

static void check_weight(const struct tensor *x, json_t *want, const char *dir)
{
	struct quant_nf4 plain = { 64, 0, QUANT_CPU };
	struct quant_nf4 nested = { 64, 1, QUANT_CPU };
	struct tensor t;

	assert_int_equal(quant_nf4(&t, x, &plain, NULL), 0);
	write_part(dir, "absmax_f32", t.part[0].data, t.part[0].bytes);
	tensor_release(&t);
	assert_int_equal(quant_nf4(&t, x, &nested, NULL), 0);
	write_part(dir, "nested_u8_cpu", t.part[1].data, t.part[1].bytes);
	write_part(dir, "codes", t.part[2].data, t.part[2].bytes);
	golden_report("G/nf4_digests", "offset",
		      fabs(t.node[3].value - json_number(want, "offset", -1)),
		      0);
	tensor_release(&t);
	check_part(dir, "absmax_f32", want);
	check_part(dir, "nested_u8_cpu", want);
	check_part(dir, "codes", want);
}

static void test_model(void **state)
{
	char dir[] = "/tmp/weft-quant.XXXXXX";
	char *path[] = { getenv("WEFT_MODEL"), NULL };
	struct golden g;
	struct source *s;
	struct item item;
	json_t *all, *want;
	size_t n = 0;

	(void)state;
	if (!path[0]) {
		print_message("WEFT_MODEL is not set\n");
		skip();
	}
	golden_case(&g, "G/nf4_digests");
	all = json_object_get(g.json, "weights");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(source_open(&s, path), 0);
	do {
		assert_int_equal(source_next(s, &item), 0);
		if (item.kind != ITEM_TENSOR)
			continue;
		want = json_object_get(all, item.tensor->name);
		if (!want) {
			assert_int_not_equal(item.tensor->role, ROLE_LINEAR);
			continue;
		}
		assert_int_equal(item.tensor->role, ROLE_LINEAR);
		assert_int_equal(source_load(s), 0);
		check_weight(item.tensor, want, dir);
		n++;
	} while (item.kind != ITEM_NONE);
	assert_int_equal(n, json_object_size(all));
	source_close(s);
	rmdir(dir);
	golden_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_model) };

	return cmocka_run_group_tests_name("quant_model", tests, NULL, NULL);
}
