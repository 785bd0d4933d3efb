/*
 * chat - messages to the text that a model was trained on
 *
 * A template is the model's own, which is a Jinja template (formats/jinja.h);
 * a file with another; or a named one (--template chatml), which is a data file
 * of formats/templates for models that have none.
 *
 * A Jinja template sees what transformers gives it: messages, as they are but
 * for keys that are null, tools, documents, add_generation_prompt, the special
 * tokens (bos_token, ...), and what chat_set() adds. Where a template is one of
 * a list, {name, template}, the one named "default" is the model's own.
 *
 * A named template is lines of a key and a text, in which {role}, {content},
 * {trim} (content without blanks around it), {system}, {input}, {bos}, {eos}
 * are filled in, and \n, \t, \s (a blank), \\ and \{ are written so:
 *
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

struct tokenizer;

/* name: "chatml", or a file (a path with a slash or the ending .jinja), or NULL
 * for the model's own, which is model_template (NULL: it has none). E_CONFIG:
 * there is no such template. E_DATA: one that cannot be read, and the line. */
int chat_new(struct chat **c, const char *name,
	     const char *model_template) MUST_CHECK;
/* The same with a tokenizer's template (name may be one of its list), special
 * tokens and end of turn. */
int chat_open(struct chat **c, const char *name,
	      const struct tokenizer *t) MUST_CHECK;
void chat_free(struct chat *c);         /* NULL is fine */

/* The tokenizer's texts for {bos} and {eos}, bos_token and eos_token; NULL:
 * none. */
int chat_set_tokens(struct chat *c, const char *bos,
		    const char *eos) MUST_CHECK;

/* Sets a variable of a Jinja template ("tools", "enable_thinking") from now on;
 * NULL: unset. Takes the reference. A named template has no variables. */
int chat_set(struct chat *c, const char *name, json_t *value) MUST_CHECK;
/* The same for each key of a JSON object; NULL: none. E_USAGE: it is none. */
int chat_set_all(struct chat *c, const char *json) MUST_CHECK;
/* Could it make a difference? 0: what the variable holds would be lost. */
int chat_uses(const struct chat *c, const char *name);
/* May messages have more than a role and a text? */
int chat_takes_any(const struct chat *c);

/* Renders messages [0, n) of a JSON array of {role, content}; prompt: add the
 * opening of the assistant's turn. Free *text. E_DATA: a named template has no
 * use for a message, by its number; a Jinja template refuses it, in its own
 * words. */
int chat_render(const struct chat *c, json_t *messages, size_t n, int prompt,
		char **text) MUST_CHECK;

/* The messages of an instruction with its input (may be empty) and output:
 * a new reference. E_NOMEM. */
int chat_instruct(const struct chat *c, const char *instruction,
		  const char *input, const char *output,
		  json_t **messages) MUST_CHECK;

/* The text that ends an assistant's turn ("<|im_end|>"); NULL: none. Of a Jinja
 * template it is found by rendering an answer; with chat_open() it is the first
 * token behind it. */
const char *chat_end_of_turn(const struct chat *c);
const char *chat_name(const struct chat *c);

/* The template as Jinja that transformers renders to the same text, and
 * llama.cpp too: the model's or the file's own, or made of a named one's lines.
 * Free *text. What only a Jinja template can say of a message, as tools, is
 * refused by a made one no less than by its lines. */
int chat_source(const struct chat *c, char **text) MUST_CHECK;

/* The texts that the build embeds from formats/templates. */
struct chat_text {
	const char *name, *text;
};

extern const struct chat_text chat_builtin[];
extern const size_t chat_nbuiltin;

#endif
