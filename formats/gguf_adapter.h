/*
 * gguf_adapter - llama.cpp's LoRA adapters, read
 *
 * general.type is "adapter", adapter.type "lora", adapter.lora.alpha its
 * alpha, or 0 where B is scaled already; tensors are <weight>.lora_a (r, in)
 * and <weight>.lora_b (out, r), of plain numbers or blocks.
 */
#ifndef FORMATS_GGUF_ADAPTER_H
#define FORMATS_GGUF_ADAPTER_H

#include "formats/foreign.h"
#include "formats/gguf.h"

/* Is it an adapter, by its general.type? */
int gguf_is_adapter(const struct gguf *g);

/* Fills f, whose file 0 is g's. E_DATA: of another kind, or architecture; a
 * tensor that belongs to no module, an A without its B, ranks that differ. */
int gguf_adapter_fill(struct foreign *f, const struct gguf *g) MUST_CHECK;

/* The config.json of the base that it is for: rows whose order is not known
 * without it are put right. Other items stay. E_DATA: it is another base. */
int gguf_adapter_base(void *foreign, json_t *config) MUST_CHECK;

#endif
