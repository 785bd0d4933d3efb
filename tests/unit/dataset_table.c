/* CSV, TSV, and fields under other names; messages that do not count. */
#include "tests/unit/dataset.h"

#include "formats/dataset_parts.h"

/* The records of a table as lines of JSON; *err: how it ended. */
static char *records(const struct dataset_form *form, const char *data,
		     size_t n, int *err)
{
	static char all[8192];
	struct io_in in;
	void *self = NULL;
	json_t *record = NULL;
	char *text;

	*all = 0;
	snprintf(path, sizeof(path), "%s/%s", folder, "a.txt");
	assert_int_equal(io_write_file(path, data, n), 0);
	assert_int_equal(io_in_open(&in, path), 0);
	*err = form->open(&self, &in);
	while (!*err) {
		*err = form->next(self, &record);
		if (*err || !record)
			break;
		assert_int_equal(json_print(&text, record, 0), 0);
		strcat(all, text);
		strcat(all, "\n");
		free(text);
		json_decref(record);
	}
	form->close(self);
	io_in_close(&in);
	return all;
}

static void gives(const struct dataset_form *form, const char *data,
		  const char *want)
{
	int err;
	const char *got = records(form, data, strlen(data), &err);

	if (err)
		fail_msg("%s", err_text());
	assert_string_equal(got, want);
}

static void a_row_is_an_object_of_texts(void **state)
{
	(void)state;
	gives(&dataset_csv, "a,b\n1,2\n3,4\n",
	      "{\"a\": \"1\", \"b\": \"2\"}\n{\"a\": \"3\", \"b\": \"4\"}\n");
	gives(&dataset_csv, "a,b\r\n1,2\r\n3,4", /* no end, CR LF */
	      "{\"a\": \"1\", \"b\": \"2\"}\n{\"a\": \"3\", \"b\": \"4\"}\n");
	gives(&dataset_csv, "\xef\xbb\xbf" "a\nx\n", "{\"a\": \"x\"}\n");
	gives(&dataset_csv, "a,b\n,\n", "{\"a\": \"\", \"b\": \"\"}\n");
	gives(&dataset_csv, "a,b\n1,", "{\"a\": \"1\", \"b\": \"\"}\n");
	gives(&dataset_csv, "a\n\n\r\nx\n\n", "{\"a\": \"x\"}\n");
	gives(&dataset_tsv, "a\tb\n1,5\t\"2\t3\"\n",
	      "{\"a\": \"1,5\", \"b\": \"2\\t3\"}\n");
	gives(&dataset_csv, "a\n", "");
}

static void quotes_hold_separators_lines_and_quotes(void **state)
{
	(void)state;
	gives(&dataset_csv, "\"a,1\",b\n\"x\ny, \"\"z\"\"\",w\n\"\",\"\"\n",
	      "{\"a,1\": \"x\\ny, \\\"z\\\"\", \"b\": \"w\"}\n"
	      "{\"a,1\": \"\", \"b\": \"\"}\n");
	gives(&dataset_csv, "a,b\r\n\"1\",\"2\r\n3\"\r\n",
	      "{\"a\": \"1\", \"b\": \"2\\r\\n3\"}\n");
	/* As everybody reads it, though RFC 4180 does not allow it. */
	gives(&dataset_csv, "a\n5\" pipe\n", "{\"a\": \"5\\\" pipe\"}\n");
}

static void fails(const char *data, const char *why)
{
	int err;

	(void)records(&dataset_csv, data, strlen(data), &err);
	assert_int_equal(err, E_DATA);
	if (!strstr(err_text(), why))
		fail_msg("'%s' does not say '%s'", err_text(), why);
}

static void broken_tables_are_refused(void **state)
{
	int err;

	(void)state;
	fails("a,b\n1,2\n1,2,3\n", "record 2: it has 3 fields, the header 2");
	fails("a,b\n1\n", "record 1: it has 1 fields");
	fails("a\n\"x\n", "record 1: the file ends inside quotes");
	fails("a\n\"x\"y\n", "behind the closing quote of field 1");
	fails("a\n\"x\"\ry\n", "lone carriage return");
	fails("a,a\nx,y\n", "names 'a' twice");
	fails("a,,b\nx,y,z\n", "field 2 has no name");
	fails("a\nca\xff\n", "record 1: field 1 is no UTF-8");
	fails("a\xff\nx\n", "header is no UTF-8");
	(void)records(&dataset_csv, "a\0b\nx\n", 6, &err);
	assert_int_equal(err, E_DATA);
}

/* ---- through the reader ---- */

static size_t labels_of(const char *name, const char *data,
			const struct dataset_options *o)
{
	struct samples s;
	struct dataset_stats stats;
	size_t n;

	write_data(name, data);
	if (take(&s, &stats, o, tiny))
		fail_msg("%s", err_text());
	n = stats.labels;
	samples_release(&s);
	return n;
}

static void same(const char *data, const char *columns, const char *other)
{
	struct dataset_options o = { .chat_template = "chatml" };
	struct samples a, b;
	struct dataset_stats stats;

	write_data("a.jsonl", other);
	assert_int_equal(take(&a, &stats, &o, tiny), 0);
	o.columns = columns;
	write_data("a.jsonl", data);
	if (take(&b, &stats, &o, tiny))
		fail_msg("%s", err_text());
	assert_int_equal(a.n, b.n);
	assert_int_equal(a.start[a.n], b.start[b.n]);
	assert_memory_equal(a.id, b.id, a.start[a.n] * sizeof(*a.id));
	assert_memory_equal(a.label, b.label, a.start[a.n] * sizeof(*a.id));
	samples_release(&a);
	samples_release(&b);
}

static void columns_give_fields_our_names(void **state)
{
	const char *plain = "{\"prompt\":\"2+2=\",\"completion\":\"4\"}";

	(void)state;
	same("{\"q\":\"2+2=\",\"a\":\"4\"}", "prompt=q,completion=a", plain);
	same("{\"completion\":\"2+2=\",\"prompt\":\"4\"}",
	     "prompt=completion,completion=prompt", plain);
	same("{\"d\":{\"q\":\"2+2=\"},\"a\":\"4\"}",
	     "prompt=d.q,completion=a", plain);
	same("{\"turns\":[{\"who\":\"human\",\"says\":\"Hi\"},{\"who\":"
	     "\"gpt\",\"says\":\"Yo\"}]}",
	     "messages=turns,role=who,content=says",
	     "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"},"
	     "{\"role\":\"assistant\",\"content\":\"Yo\"}]}");
}

static void wrong_columns_are_refused(void **state)
{
	struct dataset_options o = { .columns = "prompt=q,completion=a" };
	struct samples s;
	struct dataset_stats stats;
	static const char *const bad[] = { "prompt", "=q", "prompt=",
		"prompt=a,prompt=b", "colour=a" };

	(void)state;
	write_data("a.jsonl", "{\"q\":\"a b\",\"a\":\"c\"}{\"q\":\"d\"}");
	assert_int_equal(take(&s, &stats, &o, tiny), E_DATA);
	assert_non_null(strstr(err_text(), "record 2: it has no field 'a'"));
	samples_release(&s);
	for (size_t i = 0; i < 5; i++) {
		o.columns = bad[i];
		assert_int_equal(take(&s, &stats, &o, tiny), E_USAGE);
		samples_release(&s);
	}
}

static void messages_without_weight_carry_no_loss(void **state)
{
	struct dataset_options o = { .chat_template = "chatml" };
	struct dataset_stats stats;
	struct samples s;
	static const char form[] = "{\"messages\":[{\"role\":\"user\","
		"\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":"
		"\"Yo\"%s},{\"role\":\"user\",\"content\":\"Why\"},{\"role\":"
		"\"assistant\",\"content\":\"So\"%s}]}";
	static const char *const off[] = { ",\"weight\":0", ",\"train\":false",
		",\"training\":false" };
	char data[512];
	size_t both, first;

	(void)state;
	snprintf(data, sizeof(data), form, "", ",\"weight\":1");
	both = labels_of("a.jsonl", data, &o);
	snprintf(data, sizeof(data), form, "", off[0]);
	first = labels_of("a.jsonl", data, &o);
	assert_true(first < both);
	for (size_t i = 0; i < 3; i++) {
		snprintf(data, sizeof(data), form, off[i], "");
		assert_int_equal(labels_of("a.jsonl", data, &o), both - first);
	}
	snprintf(data, sizeof(data), form, "", ",\"weight\":0.5");
	write_data("a.jsonl", data);
	assert_int_equal(take(&s, &stats, &o, tiny), E_DATA);
	assert_non_null(strstr(err_text(), "message 4 has weight 0.5"));
	samples_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_is_an_object_of_texts),
		cmocka_unit_test(quotes_hold_separators_lines_and_quotes),
		cmocka_unit_test(broken_tables_are_refused),
		cmocka_unit_test(columns_give_fields_our_names),
		cmocka_unit_test(wrong_columns_are_refused),
		cmocka_unit_test(messages_without_weight_carry_no_loss),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
