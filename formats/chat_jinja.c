/* Jinja templates: the variables that transformers gives them. */
#include "formats/chat_parts.h"

#include "formats/tokenizer.h"

#include <stdlib.h>
#include <string.h>

int chat_jinja_init(struct chat *c, const char *text, size_t size)
{
	c->source = strndup(text, size);
	c->variables = json_object();
	if (!c->source || !c->variables)
		return err_set(E_NOMEM, "no memory for a template");
	TRY(jinja_new(&c->jinja, text, size));
	return chat_jinja_tail(c);
}

/* Keys that are notes of ours, not the conversation's. */
static int is_note(const char *key)
{
	return !strcmp(key, "paired") || !strcmp(key, "train");
}

/* A message without what is null, as transformers gives it. A new reference,
 * or NULL. */
static json_t *message_for(json_t *m)
{
	json_t *copy, *value;
	const char *key;
	int plain = 1;

	json_object_foreach(m, key, value)
		plain &= !json_is_null(value) && !is_note(key);
	if (plain)
		return json_incref(m);
	copy = json_object();
	json_object_foreach(m, key, value)
		if (!json_is_null(value) && !is_note(key) &&
		    json_object_set(copy, key, value)) {
			json_decref(copy);
			return NULL;
		}
	return copy;
}

static int first_messages(json_t *messages, size_t n, json_t **out)
{
	json_t *m;

	*out = json_array();
	for (size_t i = 0; i < n; i++) {
		m = json_array_get(messages, i);
		if (!json_is_object(m))
			return err_set(E_DATA, "message %zu is no object",
				       i + 1);
		if (json_array_append_new(*out, message_for(m)))
			return err_set(E_NOMEM, "no memory for messages");
	}
	return *out ? 0 : err_set(E_NOMEM, "no memory for messages");
}

/* What transformers gives to every template, as None where there is none. */
static int set_none(json_t *variables, const char *name)
{
	return json_object_get(variables, name) ? 0 :
	       json_object_set_new(variables, name, json_null());
}

int chat_jinja_render(const struct chat *c, struct text *out, json_t *messages,
		      size_t n, int prompt)
{
	json_t *list, *variables = json_copy(c->variables);
	int err = first_messages(messages, n, &list);

	if (!err && (json_object_set(variables, "messages", list) ||
		     json_object_set_new(variables, "add_generation_prompt",
					 json_boolean(prompt)) ||
		     set_none(variables, "tools") ||
		     set_none(variables, "documents")))
		err = err_set(E_NOMEM, "no memory for messages");
	if (!err)
		err = jinja_render(c->jinja, variables, out);
	if (err == E_DATA)
		err = err_at(E_DATA, "%s", c->name);
	json_decref(variables);
	json_decref(list);
	return err;
}

/* What the template puts behind an answer, of a conversation without meaning;
 * one that refuses it ends an answer with the end of text. */
int chat_jinja_tail(struct chat *c)
{
	static const char answer[] = "2718281828"; /* has no case */
	json_t *turn = json_pack("[{s:s,s:s},{s:s,s:s}]", "role", "user",
				 "content", "weft", "role", "assistant",
				 "content", answer);
	struct text text = { 0 };
	const char *tail = NULL;
	size_t n;
	int err;

	free(c->end);
	c->end = NULL;
	if (!turn)
		return err_set(E_NOMEM, "no memory for a template");
	err = chat_jinja_render(c, &text, turn, 2, 0);
	json_decref(turn);
	if (!err)
		tail = strstr(text.at, answer);
	if (tail)
		tail += strlen(answer);
	else if (err == E_DATA)
		tail = json_text(c->variables, "eos_token", NULL);
	if (tail) {
		tail += strspn(tail, " \n\t");
		n = strcspn(tail, " \n\t");
		c->end = n ? strndup(tail, n) : NULL;
		err = n && !c->end ? E_NOMEM : 0;
	}
	text_release(&text);
	return err == E_NOMEM ? err_set(E_NOMEM, "no memory for a template") :
	       0;
}

/* The end's first token: <|end|> of "<|end|><|endoftext|>". */
static int cut_end(struct chat *c, const struct tokenizer *t)
{
	const char *at = c->end;
	size_t n = 0;
	char *token;

	while (at && *at && !n) {
		n = tokenizer_token_size(t, at, strlen(at));
		at += n ? 0 : 1;
	}
	if (!n)
		return 0;
	token = strndup(at, n);
	if (!token)
		return err_set(E_NOMEM, "no memory for a template");
	free(c->end);
	c->end = token;
	return 0;
}

int chat_open(struct chat **out, const char *name, const struct tokenizer *t)
{
	json_t *special = tokenizer_special(t), *value;
	const char *key, *own = NULL;
	struct chat *c;
	int err = 0;

	*out = NULL;
	if (name)
		own = tokenizer_template_named(t, name);
	TRY(chat_new(&c, own ? NULL : name,
		     own ? own : tokenizer_template(t)));
	json_object_foreach(special, key, value)
		if (!err)
			err = chat_set(c, key, json_incref(value));
	if (!err)
		err = chat_set_tokens(c, tokenizer_bos_text(t),
				      tokenizer_eos_text(t));
	if (!err && c->jinja)
		err = cut_end(c, t);
	if (err)
		chat_free(c);
	else
		*out = c;
	return err;
}
