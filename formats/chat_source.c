/* A named template's lines as the Jinja template that says the same */
#include "formats/chat_parts.h"

#include <stdlib.h>
#include <string.h>

/* What lines are filled with here; the blanks around the content tell {content}
 * from {trim}. */
#define ROLE "\1"
#define TRIM "\2"
#define SYSTEM "\3"
#define BLANK "\xe2\x81\x9f"
#define CONTENT BLANK TRIM BLANK

static const struct {
	const char *mark, *code;
} words[] = {
	{ CONTENT, "content" }, { TRIM, "content | trim" },
	{ ROLE, "message['role']" }, { SYSTEM, "ns.system" },
};

static int put(struct text *out, const char *s)
{
	return text_add_string(out, s);
}

/* A byte inside a literal. */
static int put_byte(struct text *out, char c)
{
	switch (c) {
	case '\n':
		return put(out, "\\n");
	case '\t':
		return put(out, "\\t");
	case '\'':
	case '\\':
		TRY(put(out, "\\"));
		break;
	default:
		break;
	}
	return text_add(out, &c, 1);
}

/* A filled text as an expression: 'a' ~ (content | trim) ~ 'b'. */
static int put_filled(struct text *out, const char *s)
{
	TRY(put(out, "'"));
	while (*s) {
		size_t i = 0, n = sizeof(words) / sizeof(*words);

		while (i < n && strncmp(s, words[i].mark,
					strlen(words[i].mark)))
			i++;
		if (i == n) {
			TRY(put_byte(out, *s++));
			continue;
		}
		TRY(put(out, "' ~ ("));
		TRY(put(out, words[i].code));
		TRY(put(out, ") ~ '"));
		s += strlen(words[i].mark);
	}
	return put(out, "'");
}

/* A line as an expression. content NULL: the message's. */
static int put_line(const struct chat *c, struct text *out,
		    const struct chat_line *l, const struct chat_line *content)
{
	struct chat_words w = { .role = content ? "system" : ROLE,
				.content = content ? content->value : CONTENT,
				.size = content ? content->nvalue :
						  strlen(CONTENT),
				.system = SYSTEM };
	struct text filled = { 0 };
	int err = text_add(&filled, "", 0);

	if (!err)
		err = chat_named_expand(c, &filled, l, &w);
	if (!err)
		err = put_filled(out, filled.at);
	text_release(&filled);
	return err;
}

static int put_print(const struct chat *c, struct text *out,
		     const struct chat_line *l, const struct chat_line *content)
{
	TRY(put(out, "{{- "));
	TRY(put_line(c, out, l, content));
	return put(out, " -}}\n");
}

/* Is it the key of a message's line, and of a role of its own? */
static int is_role(const struct chat_line *l)
{
	static const char *const other[] = { "end", "start", "default",
		"paired", "any", "joined", "input", "prompt" };

	for (size_t i = 0; i < sizeof(other) / sizeof(*other); i++)
		if (strlen(other[i]) == l->nkey &&
		    !memcmp(other[i], l->key, l->nkey))
			return 0;
	return 1;
}

static int put_roles(const struct chat *c, struct text *out)
{
	const struct chat_line *any = chat_named_find(c, "any");
	int some = 0;

	for (size_t i = 0; i < c->nline; i++) {
		const struct chat_line *l = &c->line[i];

		if (!is_role(l))
			continue;
		TRY(put(out, some++ ? "{%- elif message['role'] == '" :
				      "{%- if message['role'] == '"));
		TRY(text_add(out, l->key, l->nkey));
		TRY(put(out, "' -%}\n"));
		TRY(put_print(c, out, l, NULL));
	}
	if (some)
		TRY(put(out, "{%- else -%}\n"));
	TRY(any ? put_print(c, out, any, NULL) :
		  put(out, "{{- raise_exception('no such role: ' ~ "
			   "message['role']) -}}\n"));
	return some ? put(out, "{%- endif -%}\n") : 0;
}

static int put_default(const struct chat *c, struct text *out)
{
	const struct chat_line *text = chat_named_find(c, "default");
	const struct chat_line *l = chat_named_find(c, "system");

	if (!l)
		l = chat_named_find(c, "any");
	if (!text || !l)
		return 0;
	TRY(put(out, "{%- if messages[0]['role'] != 'system' -%}\n"));
	TRY(put_print(c, out, l, text));
	return put(out, "{%- endif -%}\n");
}

/* The system's message goes into the first user's. */
static int put_joined(const struct chat *c, struct text *out,
		      const struct chat_line *joined)
{
	TRY(put(out, "{%- if loop.first and message['role'] == 'system' -%}\n"
		     "{%- set ns.system = content -%}\n{%- else -%}\n"
		     "{%- if ns.system is not none and "
		     "message['role'] == 'user' -%}\n{%- set content = "));
	TRY(put_line(c, out, joined, NULL));
	TRY(put(out, " -%}\n{%- set ns.system = none -%}\n{%- endif -%}\n"));
	TRY(put_roles(c, out));
	return put(out, "{%- endif -%}\n");
}

static int put_all(const struct chat *c, struct text *out)
{
	const struct chat_line *start = chat_named_find(c, "start");
	const struct chat_line *joined = chat_named_find(c, "joined");
	const struct chat_line *prompt = chat_named_find(c, "prompt");

	if (joined)
		TRY(put(out, "{%- set ns = namespace(system=none) -%}\n"));
	if (start)
		TRY(put_print(c, out, start, NULL));
	TRY(put_default(c, out));
	TRY(put(out, "{%- for message in messages -%}\n"
		     "{%- set content = message['content'] -%}\n"));
	TRY(joined ? put_joined(c, out, joined) : put_roles(c, out));
	TRY(put(out, "{%- endfor -%}\n"));
	if (!prompt || !prompt->nvalue)
		return 0;
	TRY(put(out, "{%- if add_generation_prompt -%}\n"));
	TRY(put_print(c, out, prompt, NULL));
	return put(out, "{%- endif -%}\n");
}

int chat_source(const struct chat *c, char **text)
{
	struct text out = { 0 };
	int err = c->jinja ? put(&out, c->source) : put_all(c, &out);

	*text = NULL;
	if (err)
		text_release(&out);
	else
		*text = out.at;
	return err;
}
