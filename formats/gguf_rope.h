/*
 * gguf_rope - how rotary positions are scaled, into a GGUF
 *
 * Linear and YaRN are keys of its metadata. Llama 3's rule and longrope are
 * tensors too: what each frequency is divided by. gguf_files.h has the way
 * back.
 */
#ifndef FORMATS_GGUF_ROPE_H
#define FORMATS_GGUF_ROPE_H

#include "arch/family.h"
#include "formats/gguf_out.h"

enum { GGUF_ROPE = 4096 };      /* frequencies at most */

/* Is it one of the tensors that hold divisors? */
int gguf_is_rope(const char *name);

/* Writes those that the configuration asks for. E_DATA: it lacks a number. */
int gguf_rope_tensors(struct gguf_out *o, const struct family *f,
		      const struct family_config *c) MUST_CHECK;

/* Adds the keys, under the architecture's name. */
int gguf_rope_keys(struct gguf_out *o, const struct family *f,
		   const struct family_config *c) MUST_CHECK;

#endif
