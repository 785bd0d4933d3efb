/*
 * bnb - bitsandbytes' 4-bit checkpoints, as both directions see them
 *
 * Beside the codes P.weight (U8, two in a byte) stand P.weight.absmax,
 * .quant_map, with double quantisation .nested_absmax and .nested_quant_map,
 * and .quant_state.bitsandbytes__nf4 or __fp4, a JSON text.
 */
#ifndef FORMATS_BNB_H
#define FORMATS_BNB_H

#include "base/json.h"
#include "tensor/tensor.h"

enum { BNB_BOOK = 256 };        /* values of the largest book */

/* The names are bitsandbytes' too: "nf4", "fp4". STORE_RAW: none of them. */
enum storage_kind bnb_kind(const char *name);

/* The values that the codes of nf4, fp4 (16 of them) or dyn8 (256) stand for;
 * *n of them. */
int bnb_book(float *book, size_t *n, enum storage_kind kind) MUST_CHECK;

/* torch's name of a float type, NULL: it has none here; and back, DTYPE_NONE:
 * not one of them. */
const char *bnb_dtype_name(enum dtype d);
enum dtype bnb_dtype_find(const char *name);

/* Is this config.json's quantization_config one of 4-bit weights? */
int bnb_is_4bit(json_t *quantization);

#endif
