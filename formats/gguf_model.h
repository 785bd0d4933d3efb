/* gguf_model - a base on its way into a GGUF */
#ifndef FORMATS_GGUF_MODEL_H
#define FORMATS_GGUF_MODEL_H

#include "formats/export.h"
#include "formats/gguf_out.h"
#include "formats/gguf_vocab.h"
#include "formats/hf_names.h"

struct gguf_model {
	const struct export_options *o;
	struct gguf_out out;
	struct gguf_sides sides;
	char *text;             /* config.json */
	size_t text_size;
	char *general;          /* gguf.json (gguf_general.h); NULL: none */
	size_t general_size;
	json_t *config;
	struct hf_model hf;
	int head;               /* one came */
};

/* A side file or a weight, which is loaded. E_DATA: what a GGUF cannot hold,
 * or what is not the model's that config.json says. */
int gguf_model_add(struct gguf_model *m, const struct tensor *t) MUST_CHECK;

/* After the last tensor: writes the rest, and reads the file back. E_DATA: it
 * would not be the same model in llama.cpp, and why. */
int gguf_model_end(struct gguf_model *m) MUST_CHECK;
void gguf_model_release(struct gguf_model *m);  /* safe on zeroes */

/* The keys of the model and the architecture, as config.json says them. */
int gguf_model_keys(struct gguf_model *m) MUST_CHECK;

#endif
