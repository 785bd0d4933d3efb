/*
 * soft - what the kinds of soft prompts share
 *
 * Keys of their configuration, which are PEFT's:
 *     num_virtual_tokens
 *     num_layers           with attention
 *     num_attention_heads  prefix: heads of the keys
 *     token_dim            prompt: columns of the hidden states; prefix: of a
 *                          layer's keys
 *     init                 prompt: "vocab" (rows of the embedding, drawn),
 *                          "text" (the rows of init_ids, over and over),
 *                          "random" (uniform within 0.5, as Lester et al.
 *                          2021, arXiv:2104.08691); prefix: "random"
 *     init_ids             token ids; not kept
 *     embed_scale          what the model multiplies its embedding's rows by
 */
#ifndef ADAPT_SOFT_H
#define ADAPT_SOFT_H

#include "adapt/adapt_kind.h"

/* Virtual tokens of an adapter of these options, checked. E_CONFIG. */
int soft_tokens(size_t *n, const struct adapter_options *o) MUST_CHECK;

/* Parameter 0, of which adapter_param_add() is told, if it fits a machine.
 * E_CONFIG. */
int soft_add(struct adapter *a, const char *name, size_t rows,
	     size_t cols) MUST_CHECK;

/* A size of the configuration. E_CONFIG: it is not there, or no size. */
int soft_size(size_t *n, const struct adapter_options *o,
	      const char *key) MUST_CHECK;

/* Parameter 0, or its gradient, whole. */
struct mat soft_table(const struct adapter *a, int grad);

/* adapter_kind.describe: num_virtual_tokens; takes away what only first values
 * needed. */
int soft_describe(const struct adapter *a, json_t *config) MUST_CHECK;

/* adapter_kind.peft_name. */
const char *soft_peft_name(const struct adapter *a, size_t i);

#endif
