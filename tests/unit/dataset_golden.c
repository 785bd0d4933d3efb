/* The reference's training data, where the golden set is. */
#include "formats/safetensors.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/golden.h"
#include "tests/unit/dataset.h"

static char *golden(const char *name, size_t *size)
{
	static const char *const where[] = { "../shared/golden",
					     "../../shared/golden" };
	char *text;

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", where[i], name);
		if (!io_read_file(&text, size, path, 1 << 26))
			return text;
	}
	return NULL;
}

static const void *array(const struct safetensors *st, const char *bytes,
			 const char *name, size_t *rows, size_t *cols)
{
	for (size_t i = 0; i < st->n; i++)
		if (!strcmp(st->entry[i].name, name)) {
			*rows = st->entry[i].shape[0];
			*cols = st->entry[i].shape[1];
			return bytes + st->entry[i].at;
		}
	fail_msg("no %s", name);
	return NULL;
}

static void alpaca_gives_the_reference_s_ids_and_labels(void **state)
{
	const struct dataset_options o = { .chat_template = "smollm2",
					   .length = 128 };
	size_t size, bytes, head, rows, cols;
	char *json = golden("data/smollm2/tokenizer.json", &size);
	char *file = golden("G/lora_train/case.safetensors", &bytes);
	struct safetensors st = { 0 };
	struct dataset_stats stats;
	struct tokenizer *t;
	struct samples s;
	const int32_t *id, *label;
	const uint8_t *seen;
	char *data;
	size_t differ = 0;

	(void)state;
	if (!json || !file) {
		print_message("the golden set is not here\n");
		skip();
	}
	assert_int_equal(tokenizer_new(&t, json, size, NULL, 0), 0);
	assert_int_equal(safetensors_head(&head, file, bytes), 0);
	assert_int_equal(safetensors_parse(&st, file, head, bytes), 0);
	id = array(&st, file, "input_ids", &rows, &cols);
	label = array(&st, file, "labels", &rows, &cols);
	seen = array(&st, file, "attention_mask", &rows, &cols);
	data = golden("data/alpaca48.json", &size);
	if (take(&s, &stats, &o, t))
		fail_msg("%s", err_text());
	assert_int_equal(s.n, rows);
	for (size_t i = 0; i < rows; i++)
		for (size_t k = 0; k < cols; k++) {
			size_t at = s.start[i] + k, e = i * cols + k;

			assert_int_equal(at < s.start[i + 1], seen[e]);
			if (!seen[e])
				break;
			differ += (int32_t)s.id[at] != id[e] ||
				  s.label[at] != label[e];
		}
	golden_report("G/lora_train", "ids and labels of the records that "
		      "differ", (double)differ, 0);
	samples_release(&s);
	safetensors_release(&st);
	tokenizer_free(t);
	free(json);
	free(file);
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alpaca_gives_the_reference_s_ids_and_labels),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
