/*
 * export_adalora - an AdaLoRA adapter as PEFT keeps it: without what was pruned
 *
 * A pruned rank has E = 0. PEFT's files lack its row of A and E and its column
 * of B, and rank_pattern says for each module which ranks are there. A module
 * without any rank is left out. An adapter whose E are all 0 is a new one and
 * stays whole.
 */
#ifndef FORMATS_EXPORT_ADALORA_H
#define FORMATS_EXPORT_ADALORA_H

#include "base/json.h"
#include "tensor/tensor.h"

/* Cuts the tensors of a whole adapter (loaded) in place; those that are left
 * out lose their data. Changes the adapter's configuration: rank_pattern is
 * PEFT's, target_modules name what is left. E_DATA, E_NOMEM. */
int export_adalora(struct tensor_set *set, json_t *adapter) MUST_CHECK;

#endif
