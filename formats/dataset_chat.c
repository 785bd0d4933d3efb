/*
 * Conversations: messages in the spellings that are in use, rendered by the
 * template. What an answer's tokens are is found by rendering prefixes: what
 * messages [0, i] give beyond messages [0, i) and the opening of a turn is the
 * answer with its end.
 */
#include "formats/dataset_parts.h"

#include <stdlib.h>
#include <string.h>

enum { MESSAGES = 4096 };

static int open_chat(struct reading *r, const char *otherwise)
{
	const char *own = tokenizer_template(r->t);
	const char *name = r->o->chat_template, *end;

	if (r->chat)
		return 0;
	if (!own && !name)
		name = otherwise;
	TRY(chat_new(&r->chat, name, own));
	TRY(chat_set_tokens(r->chat, tokenizer_bos_text(r->t),
			    tokenizer_eos_text(r->t)));
	end = chat_end_of_turn(r->chat);
	if (end)
		r->stop = tokenizer_id(r->t, end);
	return data_gate_allows(r->o->gate, FAULT_TEMPLATE) && end ? 0 :
	       dataset_agree(r->chat, r->t);
}

static int starts_with(const char *text, const char *head)
{
	return !strncmp(text, head, strlen(head));
}

/* The span of answer i in the text of all messages. */
static int mark_answer(struct reading *r, json_t *messages, size_t i)
{
	char *head = NULL, *whole = NULL;
	const char *all = r->text.at;
	size_t start;
	int err;

	err = chat_render(r->chat, messages, i, 1, &head);
	if (!err)
		err = chat_render(r->chat, messages, i + 1, 0, &whole);
	if (!err && !starts_with(whole, head)) {
		free(head);
		err = chat_render(r->chat, messages, i, 0, &head);
	}
	if (!err && (!starts_with(whole, head) || !starts_with(all, whole)))
		err = err_set(E_DATA, "the template renders message %zu "
			      "otherwise with what follows it", i + 1);
	start = err ? 0 : strlen(head);
	if (!err && !strstr(whole + start, chat_end_of_turn(r->chat)))
		err = err_set(E_DATA, "answer %zu has no end of turn", i + 1);
	if (!err)
		err = reading_span(r, start, strlen(whole));
	free(head);
	free(whole);
	return err;
}

/* An answer, unless its weight is 0 or its train is false. */
static int is_learned(json_t *message)
{
	return !strcmp(json_text(message, "role", ""), "assistant") &&
	       json_flag(message, "train", 1);
}

static int says_anything(json_t *messages, size_t from)
{
	size_t n = json_array_size(messages);

	for (size_t i = from; i < n; i++) {
		json_t *m = json_array_get(messages, i);
		json_t *content = json_object_get(m, "content");

		if (is_learned(m) &&
		    (!json_is_string(content) ||
		     !dataset_blank(json_string_value(content),
				    json_string_length(content))))
			return 1;
	}
	return 0;
}

/* Renders messages and tokenises them; from: the first message whose answer
 * counts. */
static int read_messages(struct reading *r, json_t *messages, size_t from)
{
	size_t n = json_array_size(messages);
	char *text;
	int err;

	if (!n || n > MESSAGES)
		return err_set(E_DATA, "it has %zu messages", n);
	TRY(chat_render(r->chat, messages, n, 0, &text));
	err = text_add_string(&r->text, text);
	free(text);
	for (size_t i = from; i < n && !err; i++)
		if (is_learned(json_array_get(messages, i)))
			err = mark_answer(r, messages, i);
	r->empty = r->nspan && !says_anything(messages, from);
	/* Who writes no token at the beginning leaves it to the tokenizer. */
	return err ? err :
	       reading_tokenise(r, !tokenizer_token_at(r->t, r->text.at,
						       r->text.n), 0);
}

/* ---- spellings ---- */

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

static const char *role_of(const char *name)
{
	/* clang-format off */
	static const char *const roles[][2] = {
		{ "human", "user" }, { "gpt", "assistant" },
		{ "chatgpt", "assistant" }, { "bot", "assistant" },
		{ "model", "assistant" }, { "ai", "assistant" },
		{ "observation", "tool" }, { "tool_response", "tool" },
	};
	/* clang-format on */

	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++)
		if (!strcmp(name, roles[i][0]))
			return roles[i][1];
	return name;
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

/* Appends message m, in whichever spelling, to list. */
static int append_one(const struct columns *names, json_t *list, json_t *m,
		      size_t number)
{
	const char *role = json_text(m, columns_from(names, "role", "role"),
				     json_text(m, "from", NULL));
	json_t *content = json_object_get(m, columns_from(names, "content",
							  "content"));
	struct text text = { 0 };
	int err, train;

	if (!content)
		content = json_object_get(m, "value");
	if (!role)
		return err_set(E_DATA, "message %zu has no role", number);
	if (json_array_size(json_object_get(m, "tool_calls")))
		return err_set(E_DATA, "message %zu calls tools, which"
			       " no template here renders", number);
	TRY(get_train(m, &train, number));
	err = content_text(&text, content, number);
	if (!err)
		err = append(list, role_of(role), text.at ? text.at : "",
			     text.n);
	if (!err && !train &&
	    json_object_set_new(json_array_get(list, json_array_size(list) - 1),
				"train", json_false()))
		err = err_set(E_NOMEM, "no memory for a record");
	text_release(&text);
	return err;
}

static int append_all(const struct columns *names, json_t *list, json_t *from)
{
	json_t *m;
	size_t i;

	json_array_foreach(from, i, m)
		TRY(append_one(names, list, m, i + 1));
	return 0;
}

/* What applies to a record as a whole. */
static int begin(json_t *list, json_t *record)
{
	json_t *system = json_object_get(record, "system");

	if (json_array_size(json_object_get(record, "tools")))
		return err_set(E_DATA, "it has tools, which no template here "
			       "renders");
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
		err = begin(list, record);
	if (!err)
		err = append_all(&r->columns, list,
				 json_object_get(record, one));
	if (!err && two) {
		from = json_array_size(list);
		err = append_all(&r->columns, list,
				 json_object_get(record, two));
	}
	if (!err)
		err = read_messages(r, list, from);
	json_decref(list);
	return err;
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
		err = begin(list, record);
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
		err = read_messages(r, list, 0);
	json_decref(last);
	json_decref(list);
	return err;
}
