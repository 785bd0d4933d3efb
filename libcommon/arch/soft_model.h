/*
 * soft_model - what the configuration of a new soft prompt says of its model
 */
#ifndef ARCH_SOFT_MODEL_H
#define ARCH_SOFT_MODEL_H

#include "base/json.h"
#include "tensor/tensor.h"

/* Adds num_layers, num_attention_heads, token_dim and embed_scale
 * (adapt/soft.h) to the configuration of a kind that is a soft prompt, from
 * the base's config.json; other kinds' stay as they are. E_DATA: as
 * family_configure(). */
int soft_model(json_t *adapter, const struct tensor *config_json) MUST_CHECK;

/* The same where the base is in memory. E_DATA: it has no config.json. */
int soft_model_of(json_t *adapter, const struct tensor_set *base) MUST_CHECK;

/* embed_scale alone; 1: there is none. */
int soft_model_scale(double *scale, const struct tensor_set *base) MUST_CHECK;

/* Is this tensor what soft_model() wants, for this configuration? */
int soft_model_wants(json_t *adapter, const struct tensor *t);

#endif
