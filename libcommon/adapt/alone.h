/*
 * alone - an adapter without its base
 *
 * Its tensors say where it stands: lora_B has the weight's rows, lora_A its
 * columns.
 */
#ifndef ADAPT_ALONE_H
#define ADAPT_ALONE_H

#include "adapt/spec.h"

/* Opens, places and fills an empty set; sites: where its adapters stand. Both
 * are the caller's to release also after a failure. E_DATA: a tensor that says
 * not enough. */
int adapter_set_alone(struct adapter_set *s, struct adapter_sites *sites,
		      json_t *config,
		      const struct tensor_set *tensors) MUST_CHECK;

#endif
