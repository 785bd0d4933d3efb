/*
 * chat - messages to the text that a model was trained on
 *
 * A template is looked for by name (--template chatml) or recognised from the
 * model's own. This build knows the named ones, which are data
 * (formats/templates); the interface is the one that a model's own
 * Jinja template will be rendered through.
 *
 * A template file is lines of a key and a text, in which {role}, {content},
 * {trim} (content without blanks around it), {system}, {input}, {bos}, {eos}
 * are filled in, and \n, \t, \s (a blank), \\ and \{ are written so:
 *
 *   like, unlike   what a model's own template holds, or not, to be this one
 *   end            ends the assistant's turn
 *   start          stands before all
 *   default        the system's message where there is none
 *   paired         the same, for an instruction with an input
 *   any, system, user, assistant, ...   a message, by role
 *   joined         there is no system role: its message and the first user's
 *   input          an instruction and its input as a user's message
 *   prompt         opens the assistant's turn
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
void chat_free(struct chat *c);         /* NULL is fine */

/* The tokenizer's texts for {bos} and {eos}; NULL: none. */
int chat_set_tokens(struct chat *c, const char *bos,
		    const char *eos) MUST_CHECK;

/* Renders messages [0, n) of a JSON array of {role, content}; prompt: add the
 * opening of the assistant's turn. Free *text. E_DATA: a message without role
 * or content, by its number. */
int chat_render(const struct chat *c, json_t *messages, size_t n, int prompt,
		char **text) MUST_CHECK;

/* The messages of an instruction with its input (may be empty) and output:
 * a new reference. E_NOMEM. */
int chat_instruct(const struct chat *c, const char *instruction,
		  const char *input, const char *output,
		  json_t **messages) MUST_CHECK;

/* The text that ends an assistant's turn ("<|im_end|>"); NULL: none. */
const char *chat_end_of_turn(const struct chat *c);
const char *chat_name(const struct chat *c);

/* The texts that the build embeds from formats/templates. */
struct chat_text {
	const char *name, *text;
};

extern const struct chat_text chat_builtin[];
extern const size_t chat_nbuiltin;

#endif
