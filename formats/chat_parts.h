/* chat_parts - the two kinds of templates behind chat.h */
#ifndef FORMATS_CHAT_PARTS_H
#define FORMATS_CHAT_PARTS_H

#include "formats/chat.h"
#include "formats/jinja.h"
#include "formats/text.h"

enum { CHAT_LINES = 32 };

struct chat_line {
	const char *key, *value; /* in the template's text */
	size_t nkey, nvalue;
};

struct chat {
	char *name;
	char *end;              /* of an assistant's turn; NULL: none */

	/* A named one: lines of keys and texts. */
	struct chat_line line[CHAT_LINES];
	size_t nline;
	char *bos, *eos;

	/* A Jinja template (NULL: a named one), its text and variables. */
	struct jinja *jinja;
	char *source;
	json_t *variables;
};

/* NULL: there is none of that name. */
const struct chat_text *chat_find_text(const char *name);
int chat_named_init(struct chat *c, const struct chat_text *text) MUST_CHECK;
/* Sets bos, eos and end. */
int chat_named_tokens(struct chat *c, const char *bos,
		      const char *eos) MUST_CHECK;
int chat_named_render(const struct chat *c, struct text *out, json_t *messages,
		      size_t n, int prompt) MUST_CHECK;

/* What a named template's words stand for. */
struct chat_words {
	const char *role, *content, *system, *input;
	size_t size;            /* of content */
};

/* NULL: the template has no such line. */
const struct chat_line *chat_named_find(const struct chat *c, const char *key);
/* A line's text with its words filled in. E_CONFIG: an unknown word. */
int chat_named_expand(const struct chat *c, struct text *out,
		      const struct chat_line *l,
		      const struct chat_words *w) MUST_CHECK;

int chat_jinja_init(struct chat *c, const char *text, size_t size) MUST_CHECK;
int chat_jinja_render(const struct chat *c, struct text *out, json_t *messages,
		      size_t n, int prompt) MUST_CHECK;
/* What stands behind an answer, into end. */
int chat_jinja_tail(struct chat *c) MUST_CHECK;

#endif
