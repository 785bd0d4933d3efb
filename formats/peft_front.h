/*
 * peft_front - soft prompts in PEFT's words
 *
 * A directory has one tensor, prompt_embeddings (n, columns), and a
 * configuration of sizes. What PEFT makes a prompt with (P-tuning's network,
 * a prefix projection) is not in what it saves: only the prompt is.
 */
#ifndef FORMATS_PEFT_FRONT_H
#define FORMATS_PEFT_FRONT_H

#include "base/err.h"
#include "base/json.h"
#include "formats/peft_kinds.h"

#include <stddef.h>

#define PEFT_FRONT "prompt_embeddings"

/* E_DATA: an option that changes the mathematics, by its name. */
int peft_front_check(json_t *peft) MUST_CHECK;

/* Puts the "adapter" object for a tensor of (rows, cols) into meta. E_DATA:
 * the sizes do not agree. */
int peft_front_read(json_t *meta, json_t *peft, size_t rows,
		    size_t cols) MUST_CHECK;

/* adapter_config.json; base is consumed. E_NOMEM. */
int peft_front_write(json_t **peft, const struct peft_kind *kind,
		     json_t *adapter, json_t *base) MUST_CHECK;

#endif
