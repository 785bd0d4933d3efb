/* Data files as samples: each kind, what carries loss, what is refused. */
#include "tests/unit/dataset_check.h"

static const struct dataset_options plain = { .length = 0 };
static const struct dataset_options chatml = { .chat_template = "chatml" };

static void ids_are_used_as_given(void **state)
{
	struct samples s;
	struct dataset_stats stats;

	(void)state;
	write_data("a.jsonl", "{\"input_ids\":[5,6,7],\"labels\":[-100,6,9]}\n"
		   "\n{\"input_ids\":[1,2,0,0],\"attention_mask\":[1,1,0,0]}");
	assert_int_equal(take(&s, &stats, &plain, NULL), 0);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.start[1], 3);
	assert_int_equal(s.start[2], 5); /* padding is left out */
	assert_int_equal(s.id[0], 5);
	assert_int_equal(s.label[0], -100);
	assert_int_equal(s.label[2], 9);
	assert_int_equal(s.label[4], 2);
	assert_int_equal(stats.labels, 3);
	samples_release(&s);
}

static void the_answer_and_its_end_carry_loss(void **state)
{
	(void)state;
	check("a.jsonl", "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi"
	      "\"},{\"role\":\"assistant\",\"content\":\"Yo\"},{\"role\":"
	      "\"user\",\"content\":\"Why\"},{\"role\":\"assistant\","
	      "\"content\":\"So\"}]}", &chatml,
	      "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
	      "[Yo<|im_end|>\n]<|im_start|>user\nWhy<|im_end|>\n"
	      "<|im_start|>assistant\n[So<|im_end|>\n]");
	check("a.json", "[{\"conversations\":[{\"from\":\"human\",\"value\":"
	      "\"Hi\"},{\"from\":\"gpt\",\"value\":\"Yo\"}],\"system\":"
	      "\"S\"}]", &chatml, "<|im_start|>system\nS<|im_end|>\n"
	      "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
	      "[Yo<|im_end|>\n]");
	check("a.jsonl", "{\"prompt\":\"2+2=\",\"completion\":\"4\"}", &plain,
	      "2+2=[4</s>]");
	check("a.jsonl", "{\"prompt\":[{\"role\":\"user\",\"content\":\"Hi\"},"
	      "{\"role\":\"assistant\",\"content\":\"A\"}],\"completion\":"
	      "[{\"role\":\"assistant\",\"content\":\"B\"}]}", &chatml,
	      "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
	      "A<|im_end|>\n<|im_start|>assistant\n[B<|im_end|>\n]");
	check("a.json", "[{\"instruction\":\"Add\",\"input\":\"1\",\"output\":"
	      "\"2\"}]", &chatml, "<|im_start|>user\nAdd\n\n1<|im_end|>\n"
	      "<|im_start|>assistant\n[2<|im_end|>\n]");
	check("a.jsonl", "{\"text\":\"the weft\"}", &plain, "[the weft</s>]");
	check("a.jsonl", "{\"messages\":[{\"role\":\"user\",\"content\":"
	      "[{\"type\":\"text\",\"text\":\"H\"},{\"type\":\"text\","
	      "\"text\":\"i\"}]},{\"role\":\"assistant\",\"content\":\"Yo\"}]}",
	      &chatml, "<|im_start|>user\nHi<|im_end|>\n"
	      "<|im_start|>assistant\n[Yo<|im_end|>\n]");
}

static void alpaca_without_a_template_is_plain_text(void **state)
{
	(void)state;
	check("a.json", "[ {\"instruction\":\"Add\",\"input\":\"\",\"output\":"
	      "\"2\"} ]\n", &plain, "Below is an instruction that describes a "
	      "task. Write a response that appropriately completes the "
	      "request.\n\n### Instruction:\nAdd\n\n### Response:\n"
	      "[2</s>]");
}

static void a_token_over_the_border_carries_no_loss(void **state)
{
	(void)state;
	/* "th" is one token: its beginning belongs to the prompt. */
	check("a.jsonl", "{\"prompt\":\"t\",\"completion\":\"he weft\"}",
	      &plain, "th[e weft</s>]");
}

static void with_train_on_prompt_all_carries_loss(void **state)
{
	const struct dataset_options all = { .train_on_prompt = 1 };

	(void)state;
	check("a.jsonl", "{\"prompt\":\"2+2=\",\"completion\":\"4\"}", &all,
	      "[2+2=4</s>]");
}

static void a_long_sample_is_cut_or_dropped_and_counted(void **state)
{
	struct dataset_options o = { .length = 4 };
	struct dataset_stats stats;
	struct samples s;

	(void)state;
	write_data("a.jsonl", "{\"input_ids\":[1,2,3,4,5,6]}"
		   "{\"input_ids\":[1,2,3]}{\"input_ids\":[1,2,3,4,5],"
		   "\"labels\":[-100,-100,-100,-100,5]}");
	assert_int_equal(take(&s, &stats, &o, NULL), 0);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.start[1], 4);
	assert_int_equal(stats.truncated, 1);
	assert_int_equal(stats.dropped, 1); /* no label is left */
	samples_release(&s);
	o.drop_long = 1;
	assert_int_equal(take(&s, &stats, &o, NULL), 0);
	assert_int_equal(s.n, 1);
	assert_int_equal(stats.dropped, 2);
	samples_release(&s);
}

static void text_comes_in_rows_or_as_one(void **state)
{
	struct dataset_options o = { .length = 5 };
	struct dataset_stats stats;
	struct samples s;
	struct ids ids = { 0 };
	char text[3000];

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = "the weft is drawn.\nThe warp"[i * 7 % 26];
	text[sizeof(text) - 1] = 0;
	assert_int_equal(tokenizer_encode(tiny, text, strlen(text), 1, &ids),
			 0);
	write_data("a.txt", text);
	assert_int_equal(take(&s, &stats, &o, tiny), 0);
	assert_true(s.n == (ids.n + 4) / 5 || s.n == ids.n / 5);
	assert_memory_equal(s.id, ids.at, s.start[s.n] * sizeof(*s.id));
	samples_release(&s);
	o.eval_text = 1;
	o.length = 0;
	assert_int_equal(take(&s, &stats, &o, tiny), 0);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.start[1], ids.n);
	samples_release(&s);
	ids_release(&ids);
}

static void blocks_of_text_join_without_a_seam(void **state)
{
	struct dataset_options o = { .length = 1000 };
	struct dataset_stats stats;
	struct samples s;
	struct ids ids = { 0 };
	size_t n = 5 << 19;
	char *text = malloc(n + 1);

	(void)state;
	for (size_t i = 0; i < n; i++)
		text[i] = "the weft, the warp\n\n and 12.\n"[i * 5 % 29 *
							(i % 97) % 28];
	text[n] = 0;
	assert_int_equal(tokenizer_encode(tiny, text, n, 1, &ids), 0);
	write_data("a.txt", text);
	assert_int_equal(take(&s, &stats, &o, tiny), 0);
	assert_true(ids.n - s.start[s.n] <= 1);
	assert_memory_equal(s.id, ids.at, s.start[s.n] * sizeof(*s.id));
	samples_release(&s);
	ids_release(&ids);
	free(text);
}

static void bad_samples_are_refused_with_their_number(void **state)
{
	(void)state;
	refuse("a.jsonl", "{\"input_ids\":[1,2]}\n{\"input_ids\":[1,2],"
	       "\"labels\":[1,-100]}", &plain, E_DATA,
	       "a.jsonl: record 2: it has no labelled token");
	refuse("a.jsonl", "{\"input_ids\":[400,400,5]}", &plain, E_DATA,
	       "record 1: it begins with two BOS");
	refuse("a.jsonl", "{\"input_ids\":[1,404]}", &plain, E_DATA,
	       "beyond the vocabulary of 404");
	refuse("a.jsonl", "{\"input_ids\":[1,2],\"labels\":[1,404]}", &plain,
	       E_DATA, "label 1 is 404");
	refuse("a.jsonl", "{\"input_ids\":[1,-2]}", &plain, E_DATA,
	       "input_ids[1]");
	refuse("a.jsonl", "{\"input_ids\":[1,2],\"labels\":[1]}", &plain,
	       E_DATA, "differ in length");
	refuse("a.jsonl", "{\"input_ids\":[]}", &plain, E_DATA, "no tokens");
	refuse("a.jsonl", "{\"messages\":[{\"role\":\"user\",\"content\":\"a"
	       "\"}]}", &chatml, E_DATA, "record 1: it has no labelled token");
	refuse("a.jsonl", "{\"messages\":[{\"role\":\"assistant\"}]}", &chatml,
	       E_DATA, "message 1 has no content");
	refuse("a.jsonl", "{\"messages\":[]}", &chatml, E_DATA, "0 messages");
	refuse("a.jsonl", "{\"prompt\":\"a\",\"completion\":\"b\"}\n"
	       "{\"text\":\"c\"}", &plain, E_DATA, "record 2: it is not of");
	refuse("a.jsonl", "{\"question\":\"a\"}", &plain, E_DATA, "neither");
	refuse("a.jsonl", "{\"text\":\"a\"\n{\"text\":\"b\"}", &plain, E_DATA,
	       "record 1");
	refuse("a.jsonl", "{\"text\":\"a b\"}\n{\"text\":\"b", &plain, E_DATA,
	       "record 2: the file ends inside it");
	refuse("a.json", "[{\"text\":\"a b\"},]", &plain, E_DATA, "comma");
	refuse("a.json", "[{\"text\":\"a b\"}", &plain, E_DATA, "inside an");
	refuse("a.jsonl", "", &plain, E_DATA, "no record");
	refuse("a.txt", "", &plain, E_DATA, "no text");
	refuse("a.txt", " \n\t\n", &plain, E_DATA, "but blanks");
	refuse("a.jsonl", "{\"messages\":[{\"role\":\"user\",\"content\":\"a"
	       "\"}]}", &plain, E_CONFIG, "--template");
}

static void a_template_whose_end_is_no_token_is_refused(void **state)
{
	const struct dataset_options o = { .chat_template = "llama3" };

	(void)state;
	refuse("a.jsonl", "{\"messages\":[{\"role\":\"assistant\",\"content\":"
	       "\"a\"}]}", &o, E_DATA, "'<|eot_id|>', which is no token");
}

static void a_failing_callback_ends_the_reading(void **state)
{
	struct dataset_stats stats = { 0 };

	(void)state;
	write_data("a.jsonl", "{\"input_ids\":[1,2]}\n{\"input_ids\":[1,2]}");
	assert_int_equal(dataset_read("/nonexistent/x", NULL, &plain, &stats,
				      keep, NULL), E_NOINPUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_are_used_as_given),
		cmocka_unit_test(the_answer_and_its_end_carry_loss),
		cmocka_unit_test(alpaca_without_a_template_is_plain_text),
		cmocka_unit_test(a_token_over_the_border_carries_no_loss),
		cmocka_unit_test(with_train_on_prompt_all_carries_loss),
		cmocka_unit_test(a_long_sample_is_cut_or_dropped_and_counted),
		cmocka_unit_test(text_comes_in_rows_or_as_one),
		cmocka_unit_test(blocks_of_text_join_without_a_seam),
		cmocka_unit_test(bad_samples_are_refused_with_their_number),
		cmocka_unit_test(a_template_whose_end_is_no_token_is_refused),
		cmocka_unit_test(a_failing_callback_ends_the_reading),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
