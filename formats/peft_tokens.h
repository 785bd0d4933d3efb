/*
 * peft_tokens - trained rows of tokens, in PEFT's words and ours
 *
 * PEFT's trainable_token_indices is a list, for the input embedding, or an
 * object by module; ours is an object by module always. What a token is that
 * the base lacks PEFT does not say: there is Hugging Face's added_tokens.json
 * for it, {content: id}.
 */
#ifndef FORMATS_PEFT_TOKENS_H
#define FORMATS_PEFT_TOKENS_H

#include "base/json.h"
#include "tensor/tensor.h"

/* A module with so many rows of tokens: adds their list to tokens. E_DATA: the
 * configuration has none, or one of another length. */
int peft_tokens_module(json_t *tokens, json_t *peft, const char *module,
		       size_t rows) MUST_CHECK;

/* Is a parameter (".lora_A") the copy that PEFT keeps of an embedding's rows
 * for a head that is tied to it? role: the module's. */
int peft_tokens_is_copy(json_t *peft, const char *param,
			enum tensor_role role);

/* Sets the adapter's "trainable_token_indices" and, of the file (NULL: there is
 * none), its "added_tokens". E_NOMEM. */
int peft_tokens_read(json_t *adapter, json_t *tokens,
		     json_t *file) MUST_CHECK;

/* Sets PEFT's trainable_token_indices; modules that are trained whole are in
 * modules_to_save, and there alone. E_NOMEM. */
int peft_tokens_write(json_t *peft, json_t *adapter) MUST_CHECK;

/* added_tokens.json; the caller's. NULL: no token was added. E_NOMEM. */
int peft_tokens_file(json_t **file, json_t *adapter) MUST_CHECK;

#endif
