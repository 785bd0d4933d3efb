/* The gate: each fault, what it says, and how it is relaxed. */
#include "tests/unit/dataset.h"

static struct dataset_stats stats;

/* How reading ends, with the gate's verdict. */
static int pass(const char *name, const char *data, struct data_gate *g,
		const struct dataset_options *how)
{
	struct dataset_options o = *how;
	struct samples s;
	int err;

	write_data(name, data);
	o.gate = g;
	err = take(&s, &stats, &o, tiny);
	if (!err)
		err = data_gate_close(g, &stats);
	samples_release(&s);
	data_gate_release(g);
	return err;
}

static const struct dataset_options plain = { 0 };

static void refuse(const char *data, struct data_gate g,
		   const struct dataset_options *o, const char *why)
{
	assert_int_equal(pass("a.jsonl", data, &g, o), E_DATA);
	if (!strstr(err_text(), why))
		fail_msg("'%s' does not say '%s'", err_text(), why);
}

static void let(const char *data, struct data_gate g,
		const struct dataset_options *o, size_t samples)
{
	if (pass("a.jsonl", data, &g, o))
		fail_msg("%s", err_text());
	assert_int_equal(stats.samples, samples);
}

static unsigned allow(const char *list)
{
	unsigned bits;

	assert_int_equal(data_faults_parse(&bits, list), 0);
	return bits;
}

static void unlabelled_records_are_refused_or_left_out(void **state)
{
	static const char data[] = "{\"input_ids\":[1,2]}"
		"{\"input_ids\":[1,2],\"labels\":[1,-100]}";

	(void)state;
	refuse(data, (struct data_gate){ 0 }, &plain,
	       "record 2: it has no labelled token");
	let(data, (struct data_gate){ .allowed = allow("unlabelled") },
	    &plain, 1);
	assert_int_equal(stats.unlabelled, 1);
}

static void a_doubled_bos_is_refused_or_taken_off(void **state)
{
	(void)state;
	refuse("{\"input_ids\":[400,400,5]}", (struct data_gate){ 0 }, &plain,
	       "record 1: it begins with two BOS");
	let("{\"input_ids\":[400,400,5]}",
	    (struct data_gate){ .allowed = allow("double-bos") }, &plain, 1);
	assert_int_equal(stats.tokens, 2);
}

static void an_answer_without_a_stop_is_refused(void **state)
{
	static const char data[] = "{\"prompt\":\"2+2=\",\"completion\":"
		"\"4\"}";
	struct tokenizer *with_end = tiny;
	struct data_gate none = { 0 };

	(void)state;
	let(data, none, &plain, 1);
	assert_int_equal(stats.ends, 1);
	tiny = NULL;
	make_tiny_with("{}");
	refuse(data, none, &plain, "record 1: no stop token is learned");
	let(data, (struct data_gate){ .allowed = allow("no-stop") }, &plain,
	    1);
	assert_int_equal(stats.ends, 0);
	/* A text has no answer that must end. */
	let("{\"text\":\"the weft\"}", none, &plain, 1);
	tokenizer_free(tiny);
	tiny = with_end;
}

static void a_template_of_other_tokens_is_refused(void **state)
{
	const struct dataset_options llama = { .chat_template = "llama3" };
	static const char data[] = "{\"messages\":[{\"role\":\"user\","
		"\"content\":\"a\"},{\"role\":\"assistant\",\"content\":"
		"\"b\"}]}";

	(void)state;
	refuse(data, (struct data_gate){ 0 }, &llama,
	       "'<|eot_id|>', which is no token of this tokenizer: choose "
	       "another with --template");
	refuse(data, (struct data_gate){ .allowed = allow("template") },
	       &llama, "no stop token");
	let(data, (struct data_gate){ .allowed = allow("template,no-stop") },
	    &llama, 1);
}

static void empty_records_are_refused_or_left_out(void **state)
{
	const struct dataset_options chatml = { .chat_template = "chatml" };
	static const char data[] = "{\"text\":\"the weft\"}{\"text\":\" \\n\"}"
		"{\"text\":\"the warp\"}{\"text\":\"\"}";

	(void)state;
	refuse(data, (struct data_gate){ 0 }, &plain,
	       "record 2: there is nothing to learn");
	refuse(data, (struct data_gate){ .most_empty = .4 }, &plain,
	       "record 2 holds nothing to learn, as 2 of 4 do");
	let(data, (struct data_gate){ .most_empty = .5 }, &plain, 2);
	refuse("{\"messages\":[{\"role\":\"assistant\",\"content\":\" \"}]}",
	       (struct data_gate){ 0 }, &chatml, "nothing to learn");
	refuse("{\"prompt\":\"a\",\"completion\":\"\"}",
	       (struct data_gate){ 0 }, &plain, "nothing to learn");
}

static void repeated_records_are_counted(void **state)
{
	static const char data[] = "{\"text\":\"a b\"}{\"text\":\"c d\"}"
		"{\"text\":\"a b\"}{\"text\":\"a b\"}";

	(void)state;
	refuse(data, (struct data_gate){ .most_duplicates = .49 }, &plain,
	       "a.jsonl: record 3 repeats an earlier one, as 2 of 4 do, more "
	       "than --max-duplicates 0.49");
	let(data, (struct data_gate){ .most_duplicates = .5 }, &plain, 4);
	assert_int_equal(stats.duplicates, 2);
	/* What is tokens already was judged where it was made. */
	let("{\"input_ids\":[1,2]}{\"input_ids\":[1,2]}{\"input_ids\":[1,2]}",
	    (struct data_gate){ 0 }, &plain, 3);
}

static void cut_records_are_counted(void **state)
{
	struct dataset_options o = { .length = 4 };
	static const char data[] = "{\"input_ids\":[1,2,3]}"
		"{\"input_ids\":[1,2,3,4,5]}{\"input_ids\":[1,2,3,4,5,6]}"
		"{\"input_ids\":[1,2]}";

	(void)state;
	refuse(data, (struct data_gate){ .most_truncated = .1 }, &o,
	       "record 2 does not fit into --length, as 2 of 4 do, more than "
	       "--max-truncated 0.1");
	let(data, (struct data_gate){ .most_truncated = .5 }, &o, 4);
	o.drop_long = 1;
	refuse(data, (struct data_gate){ .most_truncated = .1 }, &o,
	       "record 2 does not fit");
	let(data, (struct data_gate){ .most_truncated = .5 }, &o, 2);
}

/* One sample that ends is enough to see that the length is not to blame. */
static void answers_that_are_all_cut_are_refused(void **state)
{
	struct dataset_options o = { .length = 6, .chat_template = "chatml" };
	static const char all[] = "{\"prompt\":\"the\",\"completion\":"
		"\" weft weft weft weft\"}{\"prompt\":\"the\",\"completion\":"
		"\" warp warp warp warp\"}";
	static const char some[] = "{\"prompt\":\"the\",\"completion\":"
		"\" weft weft weft weft\"}{\"prompt\":\"the\",\"completion\":"
		"\" a\"}";
	struct data_gate any = { .most_truncated = 1 };

	(void)state;
	refuse(all, any, &o, "a.jsonl: record 1 learns no stop token, nor does "
	       "any other");
	let(some, any, &o, 2);
	assert_int_equal(stats.endless, 1);
	any.allowed = allow("no-stop");
	let(all, any, &o, 2);
	any.allowed = 0;
	o.length = 0;
	let(all, any, &o, 2);
	/* Texts, and tokens as given, have no answers. */
	o.length = 2;
	let("{\"text\":\"the weft weft weft\"}", any, &o, 1);
	let("{\"input_ids\":[1,2,3,4,5,6,7,8,9]}", any, &o, 1);
}

static void who_is_none_of_those_known_is_refused(void **state)
{
	const struct dataset_options chatml = { .chat_template = "chatml" };

	(void)state;
	refuse("{\"conversations\":[{\"from\":\"human\",\"value\":\"a\"},"
	       "{\"from\":\"gtp\",\"value\":\"b\"},{\"from\":\"human\","
	       "\"value\":\"a\"},{\"from\":\"gpt\",\"value\":\"b\"}]}",
	       (struct data_gate){ 0 }, &chatml,
	       "record 1: message 2 is from 'gtp', which is no role");
	let("{\"messages\":[{\"role\":\"critic\",\"content\":\"a\"},"
	    "{\"role\":\"assistant\",\"content\":\"b\"}]}",
	    (struct data_gate){ 0 }, &chatml, 1);
}

static void the_report_has_the_counts(void **state)
{
	struct data_gate g = { .most_duplicates = 1 };
	json_t *o;
	char *text;

	(void)state;
	assert_int_equal(pass("a.jsonl", "{\"input_ids\":[1,2,3]}"
			      "{\"input_ids\":[1,2,3,4,5]}", &g, &plain), 0);
	assert_int_equal(data_report(&o, &stats), 0);
	assert_int_equal(json_print(&text, o, 0), 0);
	assert_string_equal(text, "{\"records\": 2, \"samples\": 2, \"tokens\":"
		" 8, \"labels\": 6, \"longest\": 5, \"truncated\": 0, "
		"\"dropped\": 0, \"empty\": 0, \"unlabelled\": 0, "
		"\"unlearned_answers\": 0, "
		"\"duplicates\": 0, \"with_end\": 0, \"lengths\": {\"4\": 1, "
		"\"8\": 1}}");
	free(text);
	json_decref(o);
}

static void unknown_faults_are_usage(void **state)
{
	unsigned bits;

	(void)state;
	assert_int_equal(data_faults_parse(&bits, "no-stop,nonsense"),
			 E_USAGE);
	assert_non_null(strstr(err_text(), "'nonsense'"));
	assert_int_equal(data_faults_parse(&bits, NULL), 0);
	assert_int_equal(bits, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unlabelled_records_are_refused_or_left_out),
		cmocka_unit_test(a_doubled_bos_is_refused_or_taken_off),
		cmocka_unit_test(an_answer_without_a_stop_is_refused),
		cmocka_unit_test(a_template_of_other_tokens_is_refused),
		cmocka_unit_test(empty_records_are_refused_or_left_out),
		cmocka_unit_test(repeated_records_are_counted),
		cmocka_unit_test(cut_records_are_counted),
		cmocka_unit_test(answers_that_are_all_cut_are_refused),
		cmocka_unit_test(who_is_none_of_those_known_is_refused),
		cmocka_unit_test(the_report_has_the_counts),
		cmocka_unit_test(unknown_faults_are_usage),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
