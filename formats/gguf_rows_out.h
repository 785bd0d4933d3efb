/* gguf_rows_out - a stream's tensor into a GGUF */
#ifndef FORMATS_GGUF_ROWS_OUT_H
#define FORMATS_GGUF_ROWS_OUT_H

#include "formats/gguf_out.h"
#include "formats/gguf_rows.h"
#include "tensor/tensor.h"

struct gguf_form {
	const struct gguf_block *block; /* its rows are stored so */
	struct gguf_rows rows;  /* their order there */
	float plus;             /* added to every value */
	float times;            /* each is multiplied by it; 0: by 1 */
};

/*
 * Writes t, which is loaded, as the tensor name. Blocks of the same format are
 * copied as they are; all else is decoded and rounded or encoded, row by row.
 * E_DATA: t cannot be decoded, or has values that are not finite where blocks
 * are made.
 */
int gguf_out_rows(struct gguf_out *o, const char *name, const struct tensor *t,
		  const struct gguf_form *f) MUST_CHECK;

#endif
