#include "formats/chat.h"

#include "formats/text.h"
#include "formats/unicode.h"

#include <stdlib.h>
#include <string.h>

enum { LINES = 32 };

struct line {
	const char *key, *value; /* in the template's text */
	size_t nkey, nvalue;
};

struct chat {
	const char *name;
	struct line line[LINES];
	size_t nline;
	char *bos, *eos, *end;
};

/* What a template's words stand for. */
struct words {
	const char *role, *content, *system, *input;
	size_t size;            /* of content */
};

static void parse(struct chat *c, const char *text)
{
	for (c->nline = 0; *text && c->nline < LINES;) {
		size_t n = strcspn(text, "\n");
		struct line *l = &c->line[c->nline];

		l->key = text;
		l->nkey = strcspn(text, " \n");
		l->value = text + l->nkey + strspn(text + l->nkey, " ");
		l->nvalue = n - (size_t)(l->value - text);
		if (n && *text != '#')
			c->nline++;
		text += n + (text[n] == '\n');
	}
}

static const struct line *find(const struct chat *c, const char *key)
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
		size_t n, const struct words *w)
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

static int expand(const struct chat *c, struct text *out,
		  const struct line *l, const struct words *w)
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

static int holds(const char *text, const struct line *l)
{
	size_t n = l->nvalue;

	for (; (text = memchr(text, *l->value, strlen(text))); text++)
		if (!strncmp(text, l->value, n))
			return 1;
	return 0;
}

/* Is c what the model's own template does? */
static int is_like(const struct chat *c, const char *model_template)
{
	int like = 0;

	for (size_t i = 0; i < c->nline; i++) {
		const struct line *l = &c->line[i];

		if (l->nkey == 4 && !memcmp(l->key, "like", 4)) {
			like = 1;
			if (!holds(model_template, l))
				return 0;
		}
		if (l->nkey == 6 && !memcmp(l->key, "unlike", 6) &&
		    holds(model_template, l))
			return 0;
	}
	return like;
}

static int refuse(const char *name, const char *model_template)
{
	char names[256] = "";
	size_t n = 0;

	for (size_t i = 0; i < chat_nbuiltin && n < sizeof(names); i++)
		n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s",
				      i ? ", " : "", chat_builtin[i].name);
	if (name)
		return err_set(E_CONFIG, "there is no template '%s'; there "
			       "are %s", name, names);
	return err_set(E_CONFIG, "the model %s: choose one with --template "
		       "(%s)", model_template ? "has a chat template that is "
		       "not known here" : "has no chat template", names);
}

int chat_new(struct chat **out, const char *name, const char *model_template)
{
	struct chat *c = calloc(1, sizeof(*c));

	*out = NULL;
	if (!c)
		return err_set(E_NOMEM, "no memory for a template");
	for (size_t i = 0; i < chat_nbuiltin && !*out; i++) {
		c->name = chat_builtin[i].name;
		parse(c, chat_builtin[i].text);
		if (name ? !strcmp(name, c->name) :
		    model_template && is_like(c, model_template))
			*out = c;
	}
	if (!*out) {
		free(c);
		return refuse(name, model_template);
	}
	return chat_set_tokens(c, NULL, NULL);
}

void chat_free(struct chat *c)
{
	if (!c)
		return;
	free(c->bos);
	free(c->eos);
	free(c->end);
	free(c);
}

int chat_set_tokens(struct chat *c, const char *bos, const char *eos)
{
	const struct line *end = find(c, "end");
	struct words none = { 0 };
	struct text text = { 0 };

	free(c->bos);
	free(c->eos);
	free(c->end);
	c->bos = bos ? strdup(bos) : NULL;
	c->eos = eos ? strdup(eos) : NULL;
	c->end = NULL;
	if ((bos && !c->bos) || (eos && !c->eos))
		return err_set(E_NOMEM, "no memory for a template");
	if (end && expand(c, &text, end, &none)) {
		text_release(&text);
		return E_CONFIG;
	}
	if (text.n)
		c->end = text.at;
	else
		text_release(&text);
	return 0;
}

const char *chat_end_of_turn(const struct chat *c)
{
	return c->end;
}

const char *chat_name(const struct chat *c)
{
	return c->name;
}

/* Role and content of a message; numbered from 1 in messages. */
static int get(json_t *messages, size_t i, struct words *w)
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
		       const struct words *w, size_t i)
{
	const struct line *l = find(c, w->role);

	if (!l)
		l = find(c, "any");
	if (!l)
		return err_set(E_DATA, "message %zu is of role '%s', which "
			       "the template %s has not", i + 1, w->role,
			       c->name);
	return expand(c, out, l, w);
}

/* A user's message that takes the system's in. */
static int add_joined(const struct chat *c, struct text *out, struct words *w,
		      const char *system, size_t i)
{
	struct text both = { 0 };
	int err;

	w->system = system;
	err = expand(c, &both, find(c, "joined"), w);
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
	const struct line *l = json_flag(first, "paired", 0) ?
			       find(c, "paired") : NULL;
	struct words w = { .role = "system" };

	if (!l)
		l = find(c, "default");
	if (!l || !strcmp(json_text(first, "role", ""), "system"))
		return 0;
	w.content = l->value;
	w.size = l->nvalue;
	return add_message(c, out, &w, 0);
}

static int render(const struct chat *c, struct text *out, json_t *messages,
		  size_t n, int prompt)
{
	const struct line *start = find(c, "start"), *open;
	struct words w = { 0 };
	const char *system = NULL;

	TRY(text_add(out, "", 0));
	if (start)
		TRY(expand(c, out, start, &w));
	TRY(add_default(c, out, messages));
	for (size_t i = 0; i < n; i++) {
		TRY(get(messages, i, &w));
		if (!i && !strcmp(w.role, "system") && find(c, "joined"))
			system = w.content;
		else if (system && !strcmp(w.role, "user")) {
			TRY(add_joined(c, out, &w, system, i));
			system = NULL;
		} else {
			TRY(add_message(c, out, &w, i));
		}
	}
	open = find(c, "prompt");
	return prompt && open ? expand(c, out, open, &w) : 0;
}

int chat_render(const struct chat *c, json_t *messages, size_t n, int prompt,
		char **text)
{
	struct text out = { 0 };
	int err = render(c, &out, messages, n, prompt);

	*text = NULL;
	if (err)
		text_release(&out);
	else
		*text = out.at;
	return err;
}

int chat_instruct(const struct chat *c, const char *instruction,
		  const char *input, const char *output, json_t **messages)
{
	static const struct line plain = { .value = "{content}\\n\\n{input}",
					   .nvalue = 20 };
	const struct line *l = find(c, "input");
	struct words w = { .content = instruction, .size = strlen(instruction),
			   .input = input };
	struct text user = { 0 };
	int err, paired = input && *input;

	*messages = NULL;
	err = paired ? expand(c, &user, l ? l : &plain, &w) :
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
