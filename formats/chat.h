/*
 * chat - messages to the text that a model was trained on
 *
 * A template is looked for by name (--template chatml), in the model's own
 * files, or taken by default. This build knows the named ones as data
 * (formats/templates); the interface is the one that a model's own
 * Jinja template will be rendered through.
 */
#ifndef FORMATS_CHAT_H
#define FORMATS_CHAT_H

#include "base/err.h"
#include "base/json.h"

#include <stddef.h>

struct chat;

/* name: "chatml", or NULL to choose by the model's template text (which may be
 * NULL too). E_CONFIG: a template that cannot be rendered, and the remedy. */
int chat_new(struct chat **c, const char *name,
	     const char *model_template) MUST_CHECK;
void chat_free(struct chat *c);

/* Renders messages [0, n) of a JSON array of {role, content}; prompt: add the
 * opening of the assistant's turn. Free *text. E_DATA: a message without role
 * or content, by its number. */
int chat_render(const struct chat *c, json_t *messages, size_t n, int prompt,
		char **text) MUST_CHECK;

/* The text that ends an assistant's turn ("<|im_end|>"). */
const char *chat_end_of_turn(const struct chat *c);

/* The texts that the build embeds from formats/templates. */
struct chat_text {
	const char *name, *text;
};

extern const struct chat_text chat_builtin[];
extern const size_t chat_nbuiltin;

#endif
