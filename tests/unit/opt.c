/* opt - one table gives parsing, texts and config keys */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/opt.h"

static size_t rank;
static double rate;
static int fast, how;
static uint64_t seed;
static const char *name, *config;
static struct opt_list skip;

static struct opt own[] = {
	{ "rank", 'r', OPT_COUNT, &rank, "N", "rank", .alias = "lora-r" },
	{ "learning-rate", 0, OPT_REAL, &rate, "X", "rate" },
	{ "fast", 'f', OPT_FLAG, &fast, NULL, "fast" },
	{ "how", 0, OPT_CHOICE, &how, NULL, "how",
	  .choices = "cpu,host|cuda,gpu" },
	{ "seed", 0, OPT_SEED, &seed, "N", "seed" },
	{ "name", 'n', OPT_TEXT, &name, "S", "name" },
	{ "skip", 0, OPT_LIST, &skip, "RE", "skip" },
	{ "config", 'c', OPT_TEXT, &config, "FILE", "config" },
	{ 0 }
};
static const struct opt_program program = {
	"prog", "does things", "[option ...]", .own = own
};

static int from_config; /* where the last values are from */
static char **operands;
static size_t noperand;

static int parse(const char *line)
{
	static char text[1024];
	char *argv[32] = { text };
	int argc = 1, done, err;

	rank = 16;
	rate = 2e-4;
	fast = how = 0;
	seed = 42;
	name = config = NULL;
	if (opt_find(&program, "skip")->given) {
		for (size_t i = 0; from_config && i < skip.n; i++)
			free((char *)skip.at[i]); /* the option's to keep */
		free(skip.at);
	}
	skip = (struct opt_list){ 0 };
	from_config = 0;
	for (struct opt *o = own; o->name; o++)
		o->given = 0;
	snprintf(text, sizeof(text), "%s", line);
	for (char *w = strtok(text, " "); w; w = strtok(NULL, " "))
		argv[argc++] = w;
	err = opt_parse(&program, argc, argv, &operands, &noperand, &done);
	assert_false(done);
	return err;
}

static void every_form_of_an_option_is_read(void **state)
{
	(void)state;
	assert_int_equal(parse("-r8 a --learning-rate=1e-3 - -fn x"), 0);
	assert_int_equal(rank, 8);
	assert_true(rate == 1e-3);
	assert_true(fast);
	assert_string_equal(name, "x");
	assert_int_equal(noperand, 2);
	assert_string_equal(operands[0], "a");
	assert_string_equal(operands[1], "-");
	assert_int_equal(parse("--lora_r 4 --learning_rate 1 --no-fast"), 0);
	assert_int_equal(rank, 4);
	assert_false(fast);
	assert_int_equal(parse("--how gpu --skip a --skip b -- -r"), 0);
	assert_int_equal(how, 1);
	assert_int_equal(skip.n, 2);
	assert_string_equal(skip.at[1], "b");
	assert_string_equal(operands[0], "-r");
}

static void what_is_wrong_is_said(void **state)
{
	static const char *const bad[] = {
		"--nope", "-x", "-r", "-r 8x", "-r -1", "--rank=", "--fast=2",
		"--learning-rate nan", "--learning-rate 1e999", "--how gp",
		"--seed 99999999999999999999", "--no-rank", "--how cp",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (parse(bad[i]) != E_USAGE)
			fail_msg("accepted: %s", bad[i]);
		assert_true(strlen(err_text()) > 8);
		assert_null(strchr(err_text(), '\n'));
	}
}

static void a_size_has_a_unit(void **state)
{
	uint64_t n;

	(void)state;
	assert_int_equal(opt_bytes(&n, "450M"), 0);
	assert_true(n == 450ull << 20);
	assert_int_equal(opt_bytes(&n, "8g"), 0);
	assert_true(n == 8ull << 30);
	assert_int_equal(opt_bytes(&n, "1KiB"), 0);
	assert_true(n == 1024);
	assert_int_equal(opt_bytes(&n, "17179869184G"), E_USAGE);
	assert_int_equal(opt_bytes(&n, "M"), E_USAGE);
	assert_int_equal(opt_bytes(&n, "1X"), E_USAGE);
	assert_int_equal(opt_bytes(&n, "-1"), E_USAGE);
}

static int parse_config(const char *json, const char *line)
{
	char path[] = "/tmp/opt-test-XXXXXX", all[256];
	int fd = mkstemp(path), err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, json, strlen(json)), strlen(json));
	close(fd);
	snprintf(all, sizeof(all), "-c %s %s", path, line);
	err = parse(all);
	from_config = 1;
	unlink(path);
	return err;
}

static void the_command_line_wins_over_the_config(void **state)
{
	(void)state;
	assert_int_equal(parse_config("{\"rank\": 4, \"learning_rate\": 0.5,"
				      " \"skip\": [\"p\", \"q\"],"
				      " \"fast\": true}", "-r 2"), 0);
	assert_int_equal(rank, 2);
	assert_true(rate == 0.5);
	assert_true(fast);
	assert_int_equal(skip.n, 2);
}

static void a_config_with_a_wrong_key_is_refused(void **state)
{
	static const char *const bad[] = {
		"{\"lora_ranl\": 4}", "[]", "{", "{\"rank\": \"x\"}",
		"{\"rank\": 1, \"rank\": 2}", "{\"fast\": 1}",
		"{\"rank\": {}}", "{\"rank\": 1.5}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (parse_config(bad[i], "") != E_CONFIG)
			fail_msg("accepted: %s", bad[i]);
}

static void a_value_is_printed_so_that_it_reads_back(void **state)
{
	static const double x[] = { 2e-4, 0.1, 1.0 / 3, 1e300, 5 };
	char buf[64];

	(void)state;
	for (size_t i = 0; i < sizeof(x) / sizeof(*x); i++) {
		rate = x[i];
		assert_true(strtod(opt_value_text(opt_find(&program,
							   "learning-rate"),
						  buf, sizeof(buf)),
				   NULL) == x[i]);
	}
	rate = 2e-4;
	assert_string_equal(opt_value_text(opt_find(&program, "learning_rate"),
					   buf, sizeof(buf)), "0.0002");
}

static void what_a_program_has_no_use_for_is_unknown(void **state)
{
	static size_t n;
	static struct opt table[] = {
		{ "first", 'a', OPT_COUNT, &n, "N", "first" },
		{ "second", 'b', OPT_COUNT, &n, "N", "second" },
		{ "third", 'd', OPT_COUNT, &n, "N", "third" },
		{ 0 }
	};
	const struct opt_program p = {
		"prog", "does things", "[option ...]", .own = own,
		.shared = table, .without = "first third",
	};
	static char words[][10] = { "-a1", "--first=1", "-d1", "--third=1" };
	char **operand;
	size_t left;
	int done;

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		char *argv[] = { words[i], words[i], NULL };

		assert_int_equal(opt_parse(&p, 2, argv, &operand, &left,
					   &done), E_USAGE);
	}
	assert_non_null(opt_find(&p, "second"));
	assert_null(opt_find(&p, "third"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_of_an_option_is_read),
		cmocka_unit_test(what_is_wrong_is_said),
		cmocka_unit_test(a_size_has_a_unit),
		cmocka_unit_test(the_command_line_wins_over_the_config),
		cmocka_unit_test(a_config_with_a_wrong_key_is_refused),
		cmocka_unit_test(a_value_is_printed_so_that_it_reads_back),
		cmocka_unit_test(what_a_program_has_no_use_for_is_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
