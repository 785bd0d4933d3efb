/*
 * What an answer's tokens are is found by rendering prefixes: what messages
 * [0, i] give beyond messages [0, i) and the opening of a turn is the answer
 * with its end.
 */
#include "formats/dataset_parts.h"

#include <stdlib.h>
#include <string.h>

enum { MESSAGES = 4096 };

static int starts_with(const char *text, const char *head)
{
	return !strncmp(text, head, strlen(head));
}

/* What stands before answer i, which whole begins with: messages [0, i) and the
 * opening of a turn, or without one where the template writes another here. A
 * template that cannot do without a message has nothing before the first. */
static int render_head(struct reading *r, json_t *messages, size_t i,
		       const char *whole, char **head)
{
	int err;

	for (int prompt = 1; prompt >= 0; prompt--) {
		err = chat_render(r->chat, messages, i, prompt, head);
		if (err == E_DATA && !i) {
			*head = strdup("");
			err = *head ? 0 : err_set(E_NOMEM, "out of memory");
		}
		if (err || starts_with(whole, *head))
			return err;
		free(*head);
	}
	*head = NULL;
	return err_set(E_DATA, "the template renders what stands before "
		       "message %zu otherwise with it", i + 1);
}

/*
 * The span of answer i in the text of all messages. A template may render an
 * answer otherwise once more follows: many leave the thoughts of earlier
 * answers out. Such an answer carries no loss, since what the model would say
 * here is not what stands here, and is counted; not so the last one.
 */
static int mark_answer(struct reading *r, json_t *messages, size_t i, int last)
{
	char *head = NULL, *whole = NULL;
	const char *all = r->text.at;
	size_t start;
	int err;

	err = chat_render(r->chat, messages, i + 1, 0, &whole);
	if (!err && !starts_with(all, whole)) {
		r->stats->unlearned += !last;
		free(whole);
		return !last ? 0 :
		       err_set(E_DATA, "the template renders message %zu "
			       "otherwise with what follows it", i + 1);
	}
	if (!err)
		err = render_head(r, messages, i, whole, &head);
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
		     json_object_get(m, "tool_calls") ||
		     !dataset_blank(json_string_value(content),
				    json_string_length(content))))
			return 1;
	}
	return 0;
}

static int is_answer(json_t *messages, size_t i)
{
	return !strcmp(json_text(json_array_get(messages, i), "role", ""),
		       "assistant");
}

int dataset_read_talk(struct reading *r, json_t *messages, size_t from)
{
	size_t n = json_array_size(messages), last = n;
	char *text;
	int err;

	if (!n || n > MESSAGES)
		return err_set(E_DATA, "it has %zu messages", n);
	TRY(chat_render(r->chat, messages, n, 0, &text));
	err = text_add_string(&r->text, text);
	free(text);
	while (last && !is_answer(messages, last - 1))
		last--;
	for (size_t i = from; i < n && !err; i++)
		if (is_learned(json_array_get(messages, i)))
			err = mark_answer(r, messages, i, i + 1 == last);
	r->empty = r->nspan && !says_anything(messages, from);
	/* Who writes no token at the beginning leaves it to the tokenizer. */
	return err ? err :
	       reading_tokenise(r, !tokenizer_token_at(r->t, r->text.at,
						       r->text.n), 0);
}
