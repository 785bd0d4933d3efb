/*
 * base_text - the tokenizer and chat template that travel in a base stream
 */
#ifndef FORMATS_BASE_TEXT_H
#define FORMATS_BASE_TEXT_H

#include "data/text.h"
#include "formats/collect.h"

/*
 * chat_template: a name, or NULL for the model's own. A base without a
 * tokenizer gives E_DATA; one without a template fails in render only. The
 * base may be released. Free with base_text_free().
 */
int base_text_open(struct text_codec **t, const struct collected *base,
		   const char *chat_template) MUST_CHECK;
void base_text_free(struct text_codec *t);      /* NULL is fine */

struct tokenizer;
struct chat;

/* The chat template; borrowed. NULL: it cannot be rendered, and render() says
 * why. */
struct chat *base_text_chat(struct text_codec *t);

/* For dataset_read(); borrowed. NULL for NULL. */
struct tokenizer *base_text_tokenizer(struct text_codec *t);

#endif
