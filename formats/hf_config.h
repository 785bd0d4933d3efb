/*
 * hf_config - config.json, as the model of text in it has it
 *
 * A model that sees or hears too keeps its language model's keys in an object
 * text_config, and that model's tensors under a prefix.
 */
#ifndef FORMATS_HF_CONFIG_H
#define FORMATS_HF_CONFIG_H

#include "base/err.h"
#include "base/json.h"

/*
 * Replaces *config by the text model's own: text_config, with the name of its
 * architecture and with what the whole says of types, tokens and ties. *inner:
 * it was inside another one; 0: *config is as it came. E_DATA: the model in
 * text_config is of no known family.
 */
int hf_config_text(json_t **config, int *inner) MUST_CHECK;

/* A tensor's name in the text model's own checkpoint, where a whole has it
 * with a prefix: at most size bytes. prefix: the family's. NULL: it is none of
 * the text model's. */
const char *hf_config_name(char *to, size_t size, const char *name,
			   const char *prefix);

#endif
