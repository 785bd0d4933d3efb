/* tokenizer_file - a tokenizer from wherever a user has one */
#ifndef FORMATS_TOKENIZER_FILE_H
#define FORMATS_TOKENIZER_FILE_H

#include "base/opt.h"
#include "formats/tokenizer.h"

/*
 * path: a tokenizer.json (tokenizer_config.json and chat_template.jinja beside
 * it are read too), a directory with one, or any base: a stream, a .gguf. Of a
 * base only the side files are read. more: tokens that it has then, too, as
 * formats/grow.h adds them to a base; or NULL. E_NOINPUT; E_DATA: it has no
 * tokenizer.
 */
int tokenizer_open(struct tokenizer **t, const char *path,
		   const struct opt_list *more) MUST_CHECK;

#endif
