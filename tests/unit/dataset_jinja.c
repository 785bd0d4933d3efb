/* Conversations through Jinja templates: tools, thoughts, what is refused. */
#include "tests/unit/dataset_check.h"

/* ChatML that leaves out what earlier answers thought, and renders tools. */
static const char thinking[] =
	"{% if tools %}<|im_start|>tools\n{{ tools | tojson }}<|im_end|>\n"
	"{% endif %}{% for m in messages %}{% set said = m.content %}"
	"{% if '</think>' in said and not loop.last %}"
	"{% set said = said.split('</think>')[-1] %}{% endif %}"
	"<|im_start|>{{ m.role }}\n{{ said }}{% for c in m.tool_calls %}"
	"{{ c.function | tojson }}{% endfor %}<|im_end|>\n{% endfor %}"
	"{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

static char own_path[300];
static const struct dataset_options own = { .chat_template = own_path };
static const struct dataset_options chatml = { .chat_template = "chatml" };

static void write_template(const char *text)
{
	write_data("own.jinja", text);
	snprintf(own_path, sizeof(own_path), "%s", path);
}

#define USER "{\"role\":\"user\",\"content\":\"Hi\"}"
#define SAID(what) "{\"role\":\"assistant\",\"content\":\"" what "\"}"

static void an_answer_that_is_rendered_otherwise_later_has_no_loss(
	void **state)
{
	struct samples s;
	struct dataset_stats stats;

	(void)state;
	write_template(thinking);
	check("a.jsonl", "{\"messages\":[" USER "," SAID("hm</think>Yo") ","
	      USER "," SAID("so</think>Ya") "]}", &own,
	      "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
	      "Yo<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
	      "<|im_start|>assistant\n[so</think>Ya<|im_end|>\n]");
	assert_int_equal(take(&s, &stats, &own, tiny), 0);
	assert_int_equal(stats.unlearned, 1);
	samples_release(&s);
	/* Only the last message's thoughts are there: the last answer's not. */
	refuse("a.jsonl", "{\"messages\":[" USER "," SAID("hm</think>Yo") ","
	       USER "]}", &own, E_DATA, "record 1: the template renders message"
	       " 2 otherwise with what follows it");
}

static void tools_and_calls_are_rendered(void **state)
{
	(void)state;
	write_template(thinking);
	check("a.jsonl", "{\"tools\":\"[{\\\"a\\\": 1}]\",\"messages\":[" USER
	      ",{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":"
	      "[{\"function\":{\"b\":2}}]}]}", &own,
	      "<|im_start|>tools\n[{\"a\": 1}]<|im_end|>\n"
	      "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
	      "[{\"b\": 2}<|im_end|>\n]");
	/* A record's tools are its own. */
	refuse("a.jsonl", "{\"tools\":[{}],\"messages\":[" USER "]}\n",
	       &chatml, E_DATA, "has tools, which the template chatml does "
	       "not render");
	refuse("a.jsonl", "{\"messages\":[{\"role\":\"assistant\",\"content\":"
	       "\"\",\"tool_calls\":[{}]}]}\n", &chatml, E_DATA,
	       "message 1 calls tools");
	write_template("{% for m in messages %}{{ m.content }}<|im_end|>"
		       "{% endfor %}");
	refuse("a.jsonl", "{\"tools\":[{}],\"messages\":[" USER "]}\n",
	       &own, E_DATA, "has tools, which the template /tmp/");
}

#define TOOL "{\"name\":\"f\",\"parameters\":{}}"
#define WRAPPED "{\"type\":\"function\",\"function\":" TOOL "}"

/* The same talk, as OpenAI, its older API, and ShareGPT write it. */
static void calls_are_one_in_every_spelling(void **state)
{
	static const char *const talks[] = {
		"{\"tools\":[" WRAPPED "],\"messages\":[" USER ","
		"{\"role\":\"assistant\",\"content\":null,\"tool_calls\":"
		"[{\"type\":\"function\",\"id\":\"c1\",\"function\":"
		"{\"name\":\"f\",\"arguments\":\"{\\\"b\\\": 2}\"}}]},"
		"{\"role\":\"tool\",\"content\":\"7\","
		"\"tool_call_id\":\"c1\"}]}",
		"{\"functions\":[" TOOL "],\"messages\":[" USER ","
		"{\"role\":\"assistant\",\"content\":null,\"function_call\":"
		"{\"name\":\"f\",\"arguments\":\"{\\\"b\\\": 2}\"}},"
		"{\"role\":\"function\",\"content\":\"7\",\"name\":\"f\"}]}",
		"{\"tools\":\"[{\\\"name\\\":\\\"f\\\","
		"\\\"parameters\\\":{}}]\",\"conversations\":["
		"{\"from\":\"human\",\"value\":\"Hi\"},"
		"{\"from\":\"function_call\",\"value\":"
		"\"{\\\"name\\\": \\\"f\\\", "
		"\\\"arguments\\\": {\\\"b\\\": 2}}\"},"
		"{\"from\":\"observation\",\"value\":\"7\"}]}",
		"{\"tools\":[" TOOL "],\"conversations\":["
		"{\"from\":\"human\",\"value\":\"Hi\"},"
		"{\"from\":\"tool_call\",\"value\":"
		"\"[{\\\"name\\\": \\\"f\\\", "
		"\\\"parameters\\\": {\\\"b\\\": 2}}]\"},"
		"{\"from\":\"tool_response\",\"value\":\"7\"}]}",
	};

	(void)state;
	write_template(thinking);
	for (size_t i = 0; i < sizeof(talks) / sizeof(*talks); i++)
		check("a.jsonl", talks[i], &own,
		      "<|im_start|>tools\n[{\"type\": \"function\", "
		      "\"function\": {\"name\": \"f\", \"parameters\": {}}}]"
		      "<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
		      "<|im_start|>assistant\n[{\"name\": \"f\", "
		      "\"arguments\": {\"b\": 2}}<|im_end|>\n]"
		      "<|im_start|>tool\n7<|im_end|>\n");
}

static void what_is_no_call_is_refused(void **state)
{
	static const char *const values[] = {
		"\"f(2)\"", "\"\"", "\"[]\"", "\"7\"", "\"{}\"",
		"\"[{\\\"name\\\": 7}]\"", "null",
		"\"[{\\\"name\\\": \\\"f\\\"}, 3]\"",
	};
	char text[300];

	(void)state;
	write_template(thinking);
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		snprintf(text, sizeof(text), "{\"conversations\":[{\"from\":"
			 "\"function_call\",\"value\":%s}]}", values[i]);
		refuse("a.jsonl", text, &own, E_DATA, "record 1: message 1 "
		       "calls a function, and is no JSON of its name and "
		       "arguments");
	}
	refuse("a.jsonl", "{\"tools\":\"[\",\"messages\":[" USER "]}", &own,
	       E_DATA, "record 1: tools: line 1");
	refuse("a.jsonl", "{\"messages\":[{\"role\":\"user\"}]}", &own,
	       E_DATA, "record 1: message 1 has no content");
}

static void what_a_template_refuses_is_refused(void **state)
{
	(void)state;
	write_template("{% for m in messages %}{% if m.role == 'tool' %}"
		       "{{ raise_exception('no tools, please') }}{% endif %}"
		       "{{ m.content }}<|im_end|>{% endfor %}");
	refuse("a.jsonl", "{\"messages\":[" USER "," SAID("a") "]}\n"
	       "{\"messages\":[{\"role\":\"tool\",\"content\":\"\"}]}\n",
	       &own, E_DATA, "own.jinja: template: line 1: no tools, please");
	write_template("{% for m in messages %}{{ m.content }}{% endfor %}");
	refuse("a.jsonl", "{\"messages\":[" USER "]}", &own, E_DATA,
	       "nothing ends a turn");
	write_template("{% for m in messages %}{% endfor %");
	refuse("a.jsonl", "{\"messages\":[" USER "]}", &own, E_DATA,
	       "own.jinja: template: line 1");
	unlink(own_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			an_answer_that_is_rendered_otherwise_later_has_no_loss),
		cmocka_unit_test(tools_and_calls_are_rendered),
		cmocka_unit_test(calls_are_one_in_every_spelling),
		cmocka_unit_test(what_is_no_call_is_refused),
		cmocka_unit_test(what_a_template_refuses_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
