/* Templates: golden F's renderings, roles, a model's own, faults. */
#include "base/io.h"
#include "base/json.h"
#include "formats/chat.h"
#include "formats/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *render(const char *name, const char *json, int prompt)
{
	struct chat *c;
	json_t *messages;
	char *text;

	assert_int_equal(chat_new(&c, name, NULL), 0);
	assert_int_equal(chat_set_tokens(c, "<bos>", "<eos>"), 0);
	assert_int_equal(json_parse(&messages, json, strlen(json)), 0);
	if (chat_render(c, messages, json_array_size(messages), prompt, &text))
		fail_msg("%s", err_text());
	json_decref(messages);
	chat_free(c);
	return text;
}

static void check(const char *name, const char *json, int prompt,
		  const char *want)
{
	char *text = render(name, json, prompt);

	assert_string_equal(text, want);
	free(text);
}

static void smollm2_renders_as_the_reference(void **state)
{
	json_t *root, *c;
	struct chat *chat;
	char *text;
	size_t i;

	(void)state;
	assert_int_equal(json_read_file(&root, "tests/golden/F/smollm2/"
					"chat.json", 1 << 22), 0);
	assert_int_equal(chat_new(&chat, "smollm2", NULL), 0);
	json_array_foreach(json_object_get(root, "cases"), i, c) {
		json_t *m = json_object_get(c, "messages");

		assert_int_equal(chat_render(chat, m, json_array_size(m),
					     json_flag(c, "add_generation_"
						       "prompt", 0), &text),
				 0);
		assert_string_equal(text, json_text(c, "text", NULL));
		free(text);
	}
	assert_true(i >= 5);
	assert_string_equal(chat_end_of_turn(chat), "<|im_end|>");
	chat_free(chat);
	json_decref(root);
}

#define TALK "[{\"role\":\"system\",\"content\":\"Be brief.\"}," \
	"{\"role\":\"user\",\"content\":\" Hi \"}," \
	"{\"role\":\"assistant\",\"content\":\"Yo\"}]"
#define ASK "[{\"role\":\"user\",\"content\":\"Hi\"}]"

static void each_template_renders_its_form(void **state)
{
	(void)state;
	check("chatml", ASK, 1, "<|im_start|>user\nHi<|im_end|>\n"
	      "<|im_start|>assistant\n");
	check("llama3", TALK, 0, "<|begin_of_text|><|start_header_id|>system"
	      "<|end_header_id|>\n\nBe brief.<|eot_id|><|start_header_id|>user"
	      "<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant"
	      "<|end_header_id|>\n\nYo<|eot_id|>");
	check("gemma", TALK, 1, "<bos><start_of_turn>user\nBe brief.\n\nHi"
	      "<end_of_turn>\n<start_of_turn>model\nYo<end_of_turn>\n"
	      "<start_of_turn>model\n");
	check("phi3", ASK, 1, "<|user|>\nHi<|end|>\n<|assistant|>\n");
	check("mistral", TALK, 0, "<s>[INST] Be brief.\n\n Hi [/INST] Yo</s>");
	check("alpaca", ASK, 1, "Below is an instruction that describes a "
	      "task. Write a response that appropriately completes the "
	      "request.\n\n### Instruction:\nHi\n\n### Response:\n");
}

/* With the tokens' texts filled in, for there are no variables of them. */
static struct chat *as_jinja(const char *name)
{
	struct chat *named, *c;
	char *source;

	assert_int_equal(chat_new(&named, name, NULL), 0);
	assert_int_equal(chat_set_tokens(named, "<b'o\\s>", "<eos>"), 0);
	assert_int_equal(chat_source(named, &source), 0);
	if (chat_new(&c, NULL, source))
		fail_msg("%s: %s\n%s", name, err_text(), source);
	free(source);
	assert_int_equal(chat_set_tokens(c, "other", "other"), 0);
	assert_true(chat_end_of_turn(c));
	assert_string_equal(chat_end_of_turn(c), chat_end_of_turn(named));
	chat_free(named);
	return c;
}

static void compare(const char *name, const char *json, int prompt)
{
	struct chat *named, *c = as_jinja(name);
	char *want, *is;
	json_t *m;
	size_t n;

	assert_int_equal(chat_new(&named, name, NULL), 0);
	assert_int_equal(chat_set_tokens(named, "<b'o\\s>", "<eos>"), 0);
	assert_int_equal(json_parse(&m, json, strlen(json)), 0);
	n = json_array_size(m);
	assert_int_equal(chat_render(named, m, n, prompt, &want), 0);
	if (chat_render(c, m, n, prompt, &is))
		fail_msg("%s: %s", name, err_text());
	assert_string_equal(is, want);
	free(want);
	free(is);
	json_decref(m);
	chat_free(named);
	chat_free(c);
}

static void named_ones_as_jinja_render_the_same(void **state)
{
	static const char *const talks[] = {
		"[{\"role\":\"user\",\"content\":\" a'b\\\\ \\n\"}]",
		("[{\"role\":\"system\",\"content\":\" s \"},"
		 "{\"role\":\"user\",\"content\":\" one \"},"
		 "{\"role\":\"assistant\",\"content\":\"\\ttwo\\n\"},"
		 "{\"role\":\"user\",\"content\":\"{{ three }}\"}]"),
		("[{\"role\":\"user\",\"content\":\"1\"},"
		 "{\"role\":\"assistant\",\"content\":\" 2 \"}]"),
	};

	(void)state;
	for (size_t i = 0; i < chat_nbuiltin; i++)
		for (size_t k = 0; k < 3; k++) {
			compare(chat_builtin[i].name, talks[k], 0);
			compare(chat_builtin[i].name, talks[k], 1);
		}
}

static void an_instruction_takes_its_input_in(void **state)
{
	struct chat *c;
	json_t *m;
	char *text;

	(void)state;
	assert_int_equal(chat_new(&c, "alpaca", NULL), 0);
	assert_int_equal(chat_set_tokens(c, NULL, "</s>"), 0);
	assert_string_equal(chat_end_of_turn(c), "</s>");
	assert_int_equal(chat_instruct(c, "Add.", "1 2", "3", &m), 0);
	assert_int_equal(chat_render(c, m, 2, 0, &text), 0);
	assert_string_equal(text, "Below is an instruction that describes a "
			    "task, paired with an input that provides further "
			    "context. Write a response that appropriately "
			    "completes the request.\n\n### Instruction:\nAdd."
			    "\n\n### Input:\n1 2\n\n### Response:\n3</s>");
	free(text);
	json_decref(m);
	chat_free(c);
	assert_int_equal(chat_new(&c, "chatml", NULL), 0);
	assert_int_equal(chat_instruct(c, "Add.", "1 2", "3", &m), 0);
	assert_string_equal(json_text(json_array_get(m, 0), "content", ""),
			    "Add.\n\n1 2");
	json_decref(m);
	chat_free(c);
}

static void what_is_not_known_is_refused_with_the_remedy(void **state)
{
	struct chat *c;
	json_t *m;
	char *text;

	(void)state;
	assert_int_equal(chat_new(&c, "nosuch", NULL), E_CONFIG);
	assert_null(c);
	assert_int_equal(chat_new(&c, NULL, "a\n{% include 'b' %}"), E_DATA);
	assert_non_null(strstr(err_text(), "line 2: 'include' is not "
					   "supported"));
	assert_non_null(strstr(err_text(), "--template"));
	assert_null(c);
	assert_int_equal(chat_new(&c, NULL, NULL), E_CONFIG);
	assert_non_null(strstr(err_text(), "--template"));
	assert_int_equal(chat_new(&c, "no/such.jinja", NULL), E_NOINPUT);
	assert_int_equal(chat_new(&c, "chatml", NULL), 0);
	assert_string_equal(chat_name(c), "chatml");
	m = json_pack("[{s:s}]", "role", "user");
	assert_int_equal(chat_render(c, m, 1, 0, &text), E_DATA);
	assert_non_null(strstr(err_text(), "message 1"));
	assert_null(text);
	json_decref(m);
	chat_free(c);
	assert_int_equal(chat_new(&c, "gemma", NULL), 0);
	m = json_pack("[{s:s,s:s}]", "role", "tool", "content", "x");
	assert_int_equal(chat_render(c, m, 1, 0, &text), E_DATA);
	json_decref(m);
	chat_free(c);
}

/* Jinja templates, as a model brings them. */
static char *render_own(struct chat *c, const char *json, size_t n, int prompt)
{
	json_t *messages;
	char *text;

	assert_int_equal(json_parse(&messages, json, strlen(json)), 0);
	if (chat_render(c, messages, n, prompt, &text))
		fail_msg("%s", err_text());
	json_decref(messages);
	return text;
}

static void check_own(struct chat *c, const char *json, size_t n, int prompt,
		      const char *want)
{
	char *text = render_own(c, json, n, prompt);

	assert_string_equal(text, want);
	free(text);
}

static void a_models_own_template_is_rendered(void **state)
{
	struct chat *c;

	(void)state;
	assert_int_equal(chat_new(&c, NULL, "{{ bos_token }}{% for m in "
				  "messages %}{{ m.role }}: {{ m.content }}"
				  "{{ eos_token }}\n{% endfor %}{% if "
				  "add_generation_prompt %}assistant: "
				  "{% endif %}"), 0);
	check_own(c, TALK, 2, 1, "system: Be brief.\nuser:  Hi \n"
		  "assistant: ");
	assert_int_equal(chat_set_tokens(c, "<s>", "</s>"), 0);
	check_own(c, TALK, 3, 0, "<s>system: Be brief.</s>\nuser:  Hi </s>\n"
		  "assistant: Yo</s>\n");
	assert_string_equal(chat_end_of_turn(c), "</s>");
	assert_true(chat_takes_any(c));
	assert_false(chat_uses(c, "tools"));
	chat_free(c);
}

/* As transformers has it: None where there are none, keys that are null gone,
 * and notes of ours too. */
static void a_template_sees_tools_and_all_of_a_message(void **state)
{
	static const char talk[] = "[{\"role\":\"assistant\",\"content\":"
		"null,\"paired\":false,\"tool_calls\":[{\"name\":\"f\"}]}]";
	struct chat *c;

	(void)state;
	assert_int_equal(chat_new(&c, NULL, "{{ tools }}|{{ documents }}|"
				  "{{ messages[0] }}|{{ think }}"), 0);
	assert_true(chat_uses(c, "tools"));
	check_own(c, talk, 1, 0, "None|None|{'role': 'assistant', "
		  "'tool_calls': [{'name': 'f'}]}|");
	assert_int_equal(chat_set(c, "tools", json_pack("[s]", "x")), 0);
	assert_int_equal(chat_set(c, "think", json_true()), 0);
	check_own(c, talk, 0, 0, "['x']|None||True");
	assert_int_equal(chat_set(c, "tools", NULL), 0);
	check_own(c, talk, 0, 0, "None|None||True");
	chat_free(c);
}

static void a_template_refuses_in_its_own_words(void **state)
{
	json_t *none = json_array();
	struct chat *c;
	char *text;

	(void)state;
	assert_int_equal(chat_new(&c, NULL, "\n{{ raise_exception('roles must "
				  "alternate') }}"), 0);
	assert_int_equal(chat_set_tokens(c, NULL, "</s>"), 0);
	assert_string_equal(chat_end_of_turn(c), "</s>");
	assert_int_equal(chat_render(c, none, 0, 0, &text), E_DATA);
	assert_string_equal(err_text(), "chat_template: template: line 2: "
			    "roles must alternate");
	assert_null(text);
	json_decref(none);
	chat_free(c);
}

static void smollm2_s_own_template_renders_as_the_named_one(void **state)
{
	static const char *const where[] = {
		"../shared/golden/data/smollm2/chat_template.jinja",
		"../../shared/golden/data/smollm2/chat_template.jinja",
	};
	char *text = NULL, *named;
	struct chat *c;
	size_t size;

	(void)state;
	for (size_t i = 0; !text && i < 2; i++)
		if (io_read_file(&text, &size, where[i], 1 << 20))
			text = NULL;
	if (!text) {
		print_message("the golden set's template is not here\n");
		skip();
	}
	assert_int_equal(chat_new(&c, NULL, text), 0);
	named = render("smollm2", TALK, 1);
	check_own(c, TALK, 3, 1, named);
	assert_string_equal(chat_end_of_turn(c), "<|im_end|>");
	chat_free(c);
	free(named);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(smollm2_renders_as_the_reference),
		cmocka_unit_test(each_template_renders_its_form),
		cmocka_unit_test(named_ones_as_jinja_render_the_same),
		cmocka_unit_test(an_instruction_takes_its_input_in),
		cmocka_unit_test(what_is_not_known_is_refused_with_the_remedy),
		cmocka_unit_test(a_models_own_template_is_rendered),
		cmocka_unit_test(a_template_sees_tools_and_all_of_a_message),
		cmocka_unit_test(a_template_refuses_in_its_own_words),
		cmocka_unit_test(
			smollm2_s_own_template_renders_as_the_named_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
