/* What docs/st.5 says is what the code does: books, and the example. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "kernel/books.h"
#include "tests/unit/st_streams.h"

static char *page;

static void same_book(const char *name, const float *book, int n)
{
	char line[32], *at;

	snprintf(line, sizeof(line), "\n.Li %s\n.Bd", name);
	at = strstr(page, line);
	assert_non_null(at);
	at = strchr(at + 8 + strlen(name), '\n');
	for (int i = 0; i < n; i++) {
		uint32_t bits;

		memcpy(&bits, &book[i], 4);
		assert_int_equal(strtoul(at, &at, 16), bits);
	}
	assert_memory_equal(at, "\n.Ed", 4);
}

static void the_books_are_those_of_the_page(void **state)
{
	(void)state;
	same_book("nf4", nf4_book, 16);
	same_book("fp4", fp4_book, 16);
	same_book("dyn8", dyn8_book, 256);
}

/* The hexadecimal bytes of the example, which stand in columns 6 to 52. */
static size_t read_example(unsigned char *to)
{
	char *at = strstr(page, "\n0000  5c");
	size_t n = 0;

	assert_non_null(at);
	while (strncmp(++at, ".Ed", 3)) {
		char *end = strchr(at, '\n'), *p = at + 6, *next;

		while (p < at + 52 && p < end) {
			unsigned long v = strtoul(p, &next, 16);

			if (next != p + 2 + (p > at + 6))
				break;
			to[n++] = (unsigned char)v;
			p = next;
		}
		at = end;
	}
	return n;
}

static void the_example_is_what_is_written(void **state)
{
	static const uint16_t value[] = { 0x3f80, 0xbf80, 0x3f00, 0xbf00,
					  0x3e80, 0x4000, 0x4040, 0x4080 };
	char path[] = "/tmp/st_page.XXXXXX", *text;
	struct sink_options o = { .level = 0 };
	unsigned char want[1024];
	size_t n, size = read_example(want);
	struct tensor t;
	struct sink *s;

	(void)state;
	assert_int_equal(size, 576);
	close(mkstemp(path));
	assert_int_equal(sink_open(&s, path, &o), 0);
	assert_int_equal(sink_head(s, STREAM_BASE), 0);
	make_plain(&t, "w", ROLE_NONE, DTYPE_BF16, 2, 2, 4);
	assert_int_equal(tensor_alloc(&t), 0);
	memcpy(t.part[0].data, value, sizeof(value));
	assert_int_equal(sink_tensor(s, &t), 0);
	tensor_release(&t);
	assert_int_equal(sink_end(s, NULL), 0);
	assert_int_equal(sink_close(s), 0);
	assert_int_equal(io_read_file(&text, &n, path, 4096), 0);
	assert_int_equal(n, size);
	assert_memory_equal(text, want, n);
	free(text);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_books_are_those_of_the_page),
		cmocka_unit_test(the_example_is_what_is_written),
	};
	size_t n;
	int failed;

	if (io_read_file(&page, &n, "docs/st.5", 1 << 20)) {
		fprintf(stderr, "%s\n", err_text());
		return 1;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	free(page);
	return failed;
}
