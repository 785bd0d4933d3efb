/*
 * gguf_general - what a GGUF says of itself: names, authors, licence, tags
 *
 * Nothing computes with it. From a GGUF on it travels as the side file
 * gguf.json, through streams and directories, and goes into the next GGUF with
 * the same types: {"general.license": {"string": "apache-2.0"},
 * "general.languages": {"string": ["en", "fr"]}}.
 *
 * What the file is (architecture, type, file_type, quantization_version,
 * alignment) is no part of it: every writer says that anew.
 */
#ifndef FORMATS_GGUF_GENERAL_H
#define FORMATS_GGUF_GENERAL_H

#include "base/json.h"
#include "formats/gguf_out.h"

enum { GGUF_GENERAL = 4096 };   /* elements of an array at most */

/* gguf.json; *json NULL: there is nothing to say. Left out: text that is not
 * UTF-8, numbers that JSON cannot hold, arrays of more than GGUF_GENERAL.
 * E_NOMEM. */
int gguf_general(json_t **json, const struct gguf *g) MUST_CHECK;

/* The keys of a gguf.json; but general.name is name, unless that is NULL.
 * E_DATA: it is none. */
int gguf_general_keys(struct gguf_out *o, const char *text, size_t size,
		      const char *name) MUST_CHECK;

#endif
