/* Named templates: lines of a key and a text, from formats/templates. */
#include "formats/chat_parts.h"

#include "formats/unicode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void parse(struct chat *c, const char *text)
{
	for (c->nline = 0; *text && c->nline < CHAT_LINES;) {
		size_t n = strcspn(text, "\n");
		struct chat_line *l = &c->line[c->nline];

		l->key = text;
		l->nkey = strcspn(text, " \n");
		l->value = text + l->nkey + strspn(text + l->nkey, " ");
		l->nvalue = n - (size_t)(l->value - text);
		if (n && *text != '#')
			c->nline++;
		text += n + (text[n] == '\n');
	}
}

const struct chat_line *chat_named_find(const struct chat *c, const char *key)
{
	for (size_t i = 0; i < c->nline; i++)
		if (c->line[i].nkey == strlen(key) &&
		    !memcmp(c->line[i].key, key, c->line[i].nkey))
			return &c->line[i];
	return NULL;
}

static int add_trimmed(struct text *out, const char *s, size_t n)
{
	uint32_t ch;
	size_t k;

	while (n && (k = unicode_get(s, n, &ch), unicode_is_space(ch))) {
		s += k;
		n -= k;
	}
	while (n && (k = unicode_last(s, n, &ch), unicode_is_space(ch)))
		n -= k;
	return text_add(out, s, n);
}

/* What {word} stands for. */
static int fill(const struct chat *c, struct text *out, const char *word,
		size_t n, const struct chat_words *w)
{
	const struct {
		const char *name, *value;
	} values[] = {
		{ "role", w->role }, { "system", w->system },
		{ "input", w->input }, { "bos", c->bos }, { "eos", c->eos },
	};

	if (n == 7 && !memcmp(word, "content", 7))
		return text_add(out, w->content, w->size);
	if (n == 4 && !memcmp(word, "trim", 4))
		return add_trimmed(out, w->content, w->size);
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
		if (strlen(values[i].name) == n &&
		    !memcmp(values[i].name, word, n))
			return values[i].value ?
			       text_add_string(out, values[i].value) : 0;
	return err_set(E_CONFIG, "template %s: what is {%.*s}?", c->name,
		       (int)n, word);
}

int chat_named_expand(const struct chat *c, struct text *out,
		  const struct chat_line *l, const struct chat_words *w)
{
	static const char from[] = "nts", to[] = "\n\t ";

	for (size_t i = 0; i < l->nvalue; i++) {
		const char *at = l->value + i, *end, *known;
		size_t left = l->nvalue - i;

		if (*at == '\\' && left > 1) {
			known = memchr(from, at[1], 3);
			TRY(text_add(out, known ? to + (known - from) : at + 1,
				     1));
			i++;
			continue;
		}
		end = *at == '{' ? memchr(at, '}', left) : NULL;
		if (!end) {
			TRY(text_add(out, at, 1));
			continue;
		}
		TRY(fill(c, out, at + 1, (size_t)(end - at) - 1, w));
		i += (size_t)(end - at);
	}
	return 0;
}

const struct chat_text *chat_find_text(const char *name)
{
	for (size_t i = 0; i < chat_nbuiltin; i++)
		if (!strcmp(chat_builtin[i].name, name))
			return &chat_builtin[i];
	return NULL;
}

int chat_named_init(struct chat *c, const struct chat_text *text)
{
	parse(c, text->text);
	return chat_named_tokens(c, NULL, NULL);
}

int chat_named_tokens(struct chat *c, const char *bos, const char *eos)
{
	const struct chat_line *end = chat_named_find(c, "end");
	struct chat_words none = { 0 };
	struct text text = { 0 };

	free(c->bos);
	free(c->eos);
	free(c->end);
	c->bos = bos ? strdup(bos) : NULL;
	c->eos = eos ? strdup(eos) : NULL;
	c->end = NULL;
	if ((bos && !c->bos) || (eos && !c->eos))
		return err_set(E_NOMEM, "no memory for a template");
	if (end && chat_named_expand(c, &text, end, &none)) {
		text_release(&text);
		return E_CONFIG;
	}
	if (text.n)
		c->end = text.at;
	else
		text_release(&text);
	return 0;
}

/* Role and content of a message; numbered from 1 in messages. */
static int get(json_t *messages, size_t i, struct chat_words *w)
{
	json_t *m = json_array_get(messages, i);
	json_t *content = json_object_get(m, "content");

	w->role = json_text(m, "role", NULL);
	if (!w->role)
		return err_set(E_DATA, "message %zu has no role", i + 1);
	if (!json_is_string(content))
		return err_set(E_DATA, "message %zu has no content", i + 1);
	w->content = json_string_value(content);
	w->size = json_string_length(content);
	if (strlen(w->content) != w->size)
		return err_set(E_DATA, "message %zu holds a NUL", i + 1);
	return 0;
}

static int add_message(const struct chat *c, struct text *out,
		       const struct chat_words *w, size_t i)
{
	const struct chat_line *l = chat_named_find(c, w->role);

	if (!l)
		l = chat_named_find(c, "any");
	if (!l)
		return err_set(E_DATA, "message %zu is of role '%s', which "
			       "the template %s has not", i + 1, w->role,
			       c->name);
	return chat_named_expand(c, out, l, w);
}

/* A user's message that takes the system's in. */
static int add_joined(const struct chat *c, struct text *out,
		      struct chat_words *w, const char *system, size_t i)
{
	struct text both = { 0 };
	int err;

	w->system = system;
	err = chat_named_expand(c, &both, chat_named_find(c, "joined"), w);
	w->content = both.at;
	w->size = both.n;
	if (!err)
		err = add_message(c, out, w, i);
	text_release(&both);
	return err;
}

static int add_default(const struct chat *c, struct text *out,
		       json_t *messages)
{
	json_t *first = json_array_get(messages, 0);
	const struct chat_line *l = json_flag(first, "paired", 0) ?
			       chat_named_find(c, "paired") : NULL;
	struct chat_words w = { .role = "system" };

	if (!l)
		l = chat_named_find(c, "default");
	if (!l || !strcmp(json_text(first, "role", ""), "system"))
		return 0;
	w.content = l->value;
	w.size = l->nvalue;
	return add_message(c, out, &w, 0);
}

int chat_named_render(const struct chat *c, struct text *out, json_t *messages,
		      size_t n, int prompt)
{
	const struct chat_line *start = chat_named_find(c, "start"), *open;
	struct chat_words w = { 0 };
	const char *system = NULL;

	TRY(text_add(out, "", 0));
	if (start)
		TRY(chat_named_expand(c, out, start, &w));
	TRY(add_default(c, out, messages));
	for (size_t i = 0; i < n; i++) {
		TRY(get(messages, i, &w));
		if (!i && !strcmp(w.role, "system") &&
		    chat_named_find(c, "joined"))
			system = w.content;
		else if (system && !strcmp(w.role, "user")) {
			TRY(add_joined(c, out, &w, system, i));
			system = NULL;
		} else {
			TRY(add_message(c, out, &w, i));
		}
	}
	open = chat_named_find(c, "prompt");
	return prompt && open ? chat_named_expand(c, out, open, &w) : 0;
}

int chat_instruct(const struct chat *c, const char *instruction,
		  const char *input, const char *output, json_t **messages)
{
	static const struct chat_line plain = {
		.value = "{content}\\n\\n{input}", .nvalue = 20,
	};
	const struct chat_line *l = chat_named_find(c, "input");
	struct chat_words w = { .content = instruction,
				.size = strlen(instruction), .input = input };
	struct text user = { 0 };
	int err, paired = input && *input;

	*messages = NULL;
	err = paired ? chat_named_expand(c, &user, l ? l : &plain, &w) :
	      text_add_string(&user, instruction);
	if (!err)
		*messages = json_pack("[{s:s%,s:b,s:s},{s:s,s:s}]", "content",
				      user.at, user.n, "paired", paired,
				      "role", "user", "role", "assistant",
				      "content", output);
	text_release(&user);
	if (!err && !*messages)
		err = err_set(E_NOMEM, "no memory for a record");
	return err;
}
