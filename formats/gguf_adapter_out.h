/*
 * gguf_adapter_out - a LoRA adapter on its way into a GGUF
 *
 * llama.cpp adds alpha / r B A to a weight, with one alpha for all: what a
 * module's own scale is beyond that is multiplied into its B. Rows of B are in
 * llama.cpp's order, for which the base's numbers are needed.
 */
#ifndef FORMATS_GGUF_ADAPTER_OUT_H
#define FORMATS_GGUF_ADAPTER_OUT_H

#include "formats/export.h"
#include "formats/gguf_out.h"

struct gguf_adapter_out {
	const struct export_options *o;
	struct gguf_out out;
	json_t *adapter;        /* the stream's "adapter" meta */
	json_t *base;           /* the base's config.json */
	const struct family *family;
	struct family_config *config;
	double alpha;           /* what is written */
};

/* file is empty. E_USAGE: o names no base; E_DATA: it is none that llama.cpp
 * knows. */
int gguf_adapter_out_begin(struct gguf_adapter_out *w, struct file *file,
			   const struct export_options *o) MUST_CHECK;

int gguf_adapter_out_meta(struct gguf_adapter_out *w, const char *key,
			  json_t *value) MUST_CHECK;

/* A parameter, which is loaded. E_DATA: llama.cpp's adapters cannot have it,
 * or the base has no such module. */
int gguf_adapter_out_add(struct gguf_adapter_out *w,
			 const struct tensor *t) MUST_CHECK;

/* Writes the rest. E_DATA: an A without its B, or no tensor at all. */
int gguf_adapter_out_end(struct gguf_adapter_out *w) MUST_CHECK;
void gguf_adapter_out_release(struct gguf_adapter_out *w);

#endif
