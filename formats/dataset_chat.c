/* Conversations: messages in the spellings that are in use, tools, alpaca. */
#include "formats/dataset_parts.h"

#include <stdlib.h>
#include <string.h>

static int open_chat(struct reading *r, const char *otherwise)
{
	const char *own = tokenizer_template(r->t);
	const char *name = r->o->chat_template, *end;

	if (r->chat)
		return 0;
	if (!own && !name)
		name = otherwise;
	TRY(chat_open(&r->chat, name, r->t));
	TRY(chat_set_all(r->chat, r->o->chat_variables));
	end = chat_end_of_turn(r->chat);
	if (end)
		r->stop = tokenizer_id(r->t, end);
	return data_gate_allows(r->o->gate, FAULT_TEMPLATE) && end ? 0 :
	       dataset_agree(r->chat, r->t);
}

/* The text of a content: a string, or a list of {type: text, text}. */
static int content_text(struct text *out, json_t *content, size_t number)
{
	json_t *part, *text;
	size_t i;

	if (json_is_string(content))
		return text_add(out, json_string_value(content),
				json_string_length(content));
	if (!json_is_array(content))
		return err_set(E_DATA, "message %zu has no content", number);
	json_array_foreach(content, i, part) {
		text = json_object_get(part, "text");
		if (!json_is_string(text))
			return err_set(E_DATA, "message %zu has content that "
				       "is no text", number);
		TRY(text_add(out, json_string_value(text),
			     json_string_length(text)));
	}
	return 0;
}

/* The role of a message that is a call: the assistant's, of its own kind. */
#define CALL "call"

static const char *role_of(const char *name)
{
	/* clang-format off */
	static const char *const roles[][2] = {
		{ "human", "user" }, { "gpt", "assistant" },
		{ "chatgpt", "assistant" }, { "bot", "assistant" },
		{ "model", "assistant" }, { "ai", "assistant" },
		{ "observation", "tool" }, { "tool_response", "tool" },
		{ "function_response", "tool" }, { "function", "tool" },
		{ "function_call", CALL }, { "tool_call", CALL },
	};
	/* clang-format on */

	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++)
		if (!strcmp(name, roles[i][0]))
			return roles[i][1];
	return name;
}

/* Who a message is "from" is one of few; a "role" is the template's matter. */
static int check_from(const char *name, size_t number)
{
	static const char *const plain[] = { "user", "assistant", "system",
					     "developer", "tool" };

	if (strcmp(role_of(name), name))
		return 0;
	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
		if (!strcmp(name, plain[i]))
			return 0;
	return err_set(E_DATA, "message %zu is from '%.80s', which is no role "
		       "that is known", number, name);
}

/* Appends {role, content} to list. */
static int append(json_t *list, const char *role, const char *text, size_t n)
{
	if (json_array_append_new(list, json_pack("{s:s,s:s%}", "role", role,
						  "content", text, n)))
		return err_set(E_DATA, "message %zu cannot be read",
			       json_array_size(list) + 1);
	return 0;
}

/* Does it count? OpenAI's weight is 0 or 1; train (or training) is a truth. */
static int get_train(json_t *m, int *train, size_t number)
{
	double weight = json_number(m, "weight", 1);

	*train = json_flag(m, "train", json_flag(m, "training", 1));
	if (weight != 0 && weight != 1)
		return err_set(E_DATA, "message %zu has weight %g, want 0 or "
			       "1", number, weight);
	*train &= weight != 0;
	return 0;
}

/* All that m says besides, for templates that take it. */
static int add_others(json_t *to, json_t *m)
{
	static const char *const known[] = { "role", "content", "from", "value",
					     "train", "training", "weight",
					     "tool_calls", "function_call" };
	const char *key;
	json_t *value;

	json_object_foreach(m, key, value) {
		size_t i = 0;

		while (i < sizeof(known) / sizeof(*known) &&
		       strcmp(key, known[i]))
			i++;
		if (i == sizeof(known) / sizeof(*known) &&
		    json_object_set(to, key, value))
			return err_set(E_NOMEM, "no memory for a record");
	}
	return 0;
}

/* What the last message of list says besides its text. */
static int complete(struct reading *r, json_t *list, json_t *m, json_t *calls,
		    int train)
{
	json_t *to = json_array_get(list, json_array_size(list) - 1);

	if (chat_takes_any(r->chat))
		TRY(add_others(to, m));
	if ((calls && json_object_set(to, "tool_calls", calls)) ||
	    (!train && json_object_set_new(to, "train", json_false())))
		return err_set(E_NOMEM, "no memory for a record");
	return 0;
}

static int append_role(struct reading *r, json_t *list, json_t *m,
		       const char *role, json_t *content, json_t *calls)
{
	size_t number = json_array_size(list) + 1;
	struct text text = { 0 };
	int err = 0, train;

	if (calls && !chat_uses(r->chat, "tool_calls"))
		return err_set(E_DATA, "message %zu calls tools, which the "
			       "template %s does not render: choose another "
			       "with --template", number, chat_name(r->chat));
	TRY(get_train(m, &train, number));
	if (content && (!json_is_null(content) || !calls))
		err = content_text(&text, content, number);
	else if (!calls)
		err = err_set(E_DATA, "message %zu has no content", number);
	if (!err)
		err = append(list, role, text.at ? text.at : "", text.n);
	if (!err)
		err = complete(r, list, m, calls, train);
	text_release(&text);
	return err;
}

/* Appends message m, in whichever spelling, to list. */
static int append_one(struct reading *r, json_t *list, json_t *m, size_t number)
{
	const struct columns *names = &r->columns;
	const char *role = json_text(m, columns_from(names, "role", "role"),
				     NULL);
	json_t *content = json_object_get(m, columns_from(names, "content",
							  "content"));
	json_t *calls;
	int is_call, err;

	if (!content)
		content = json_object_get(m, "value");
	if (!role) {
		role = json_text(m, "from", NULL);
		if (!role)
			return err_set(E_DATA, "message %zu has no role",
				       number);
		TRY(check_from(role, number));
	}
	role = role_of(role);
	is_call = !strcmp(role, CALL);
	TRY(dataset_calls(&calls, m, is_call ? content : NULL, number));
	err = is_call ? append_role(r, list, m, "assistant", NULL, calls) :
			append_role(r, list, m, role, content, calls);
	json_decref(calls);
	return err;
}

static int append_all(struct reading *r, json_t *list, json_t *from)
{
	json_t *m;
	size_t i;

	json_array_foreach(from, i, m)
		TRY(append_one(r, list, m, i + 1));
	return 0;
}

static int set_tools(struct reading *r, json_t *record)
{
	json_t *tools;

	TRY(dataset_tools(&tools, record));
	if (tools && !chat_uses(r->chat, "tools")) {
		json_decref(tools);
		return err_set(E_DATA, "it has tools, which the template %s "
			       "does not render: choose another with "
			       "--template", chat_name(r->chat));
	}
	return chat_set(r->chat, "tools", tools);
}

/* What applies to a record as a whole. */
static int begin(struct reading *r, json_t *list, json_t *record)
{
	json_t *system = json_object_get(record, "system");

	TRY(set_tools(r, record));
	if (json_is_string(system) && json_string_length(system))
		return append(list, "system", json_string_value(system),
			      json_string_length(system));
	return 0;
}

static int read_lists(struct reading *r, json_t *record, const char *one,
		      const char *two)
{
	json_t *list = json_array();
	size_t from = 0;
	int err = list ? 0 : err_set(E_NOMEM, "no memory for a record");

	if (!err)
		err = open_chat(r, NULL);
	if (!err)
		err = begin(r, list, record);
	if (!err)
		err = append_all(r, list, json_object_get(record, one));
	if (!err && two) {
		from = json_array_size(list);
		err = append_all(r, list, json_object_get(record, two));
	}
	if (!err)
		err = dataset_read_talk(r, list, from);
	json_decref(list);
	return err;
}

/* Tables have lists as their JSON, in a text. */
int dataset_open_lists(json_t *record)
{
	static const char *const lists[] = { "messages", "conversations" };

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		json_t *text = json_object_get(record, lists[i]), *list;
		const char *at = json_string_value(text);

		if (!at || at[strspn(at, " \t\r\n")] != '[')
			continue;
		if (json_parse(&list, at, json_string_length(text)))
			return err_at(E_DATA, "the text in %s", lists[i]);
		if (json_object_set_new(record, lists[i], list))
			return err_set(E_NOMEM, "no memory for a record");
	}
	return 0;
}

static int has_list(json_t *record, const char *key)
{
	return json_is_array(json_object_get(record, key));
}

int dataset_is_messages(json_t *record)
{
	return has_list(record, "messages");
}

int dataset_read_messages(struct reading *r, json_t *record)
{
	return read_lists(r, record, "messages", NULL);
}

int dataset_is_sharegpt(json_t *record)
{
	return has_list(record, "conversations");
}

int dataset_read_sharegpt(struct reading *r, json_t *record)
{
	return read_lists(r, record, "conversations", NULL);
}

int dataset_is_turns(json_t *record)
{
	return has_list(record, "prompt") && has_list(record, "completion");
}

int dataset_read_turns(struct reading *r, json_t *record)
{
	return read_lists(r, record, "prompt", "completion");
}

/* ---- alpaca ---- */

int dataset_is_alpaca(json_t *record)
{
	return json_is_string(json_object_get(record, "instruction")) &&
	       json_is_string(json_object_get(record, "output"));
}

/* "history": [["question", "answer"], ...] */
static int append_history(json_t *list, json_t *record)
{
	json_t *pair;
	size_t i;

	json_array_foreach(json_object_get(record, "history"), i, pair)
		for (size_t k = 0; k < 2; k++) {
			json_t *text = json_array_get(pair, k);

			if (!json_is_string(text))
				return err_set(E_DATA, "history %zu is no "
					       "pair of texts", i + 1);
			TRY(append(list, k ? "assistant" : "user",
				   json_string_value(text),
				   json_string_length(text)));
		}
	return 0;
}

int dataset_read_alpaca(struct reading *r, json_t *record)
{
	json_t *list = json_array(), *last = NULL;
	int err = list ? 0 : err_set(E_NOMEM, "no memory for a record");

	if (!err)
		err = open_chat(r, "alpaca");
	if (!err)
		err = begin(r, list, record);
	if (!err)
		err = append_history(list, record);
	if (!err)
		err = chat_instruct(r->chat,
				    json_text(record, "instruction", ""),
				    json_text(record, "input", ""),
				    json_text(record, "output", ""), &last);
	if (!err && json_array_extend(list, last))
		err = err_set(E_NOMEM, "no memory for a record");
	if (!err)
		err = dataset_read_talk(r, list, 0);
	json_decref(last);
	json_decref(list);
	return err;
}
