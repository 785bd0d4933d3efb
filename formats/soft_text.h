/*
 * soft_text - the text that a soft prompt begins as, in the base's tokens
 */
#ifndef FORMATS_SOFT_TEXT_H
#define FORMATS_SOFT_TEXT_H

#include "formats/collect.h"

/* Sets init_ids (adapt/soft.h) of the configuration to text's tokens, with what
 * the tokenizer adds, as PEFT. text NULL: nothing. E_DATA: the base has no
 * tokenizer, or the text no token. */
int soft_text(json_t *adapter, const struct collected *base,
	      const char *text) MUST_CHECK;

#endif
