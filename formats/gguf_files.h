/*
 * gguf_files - the files of a Hugging Face directory, made from a GGUF
 *
 * GGUF keeps configuration, vocabulary and chat template as metadata. From
 * here on the model is like any other: its stream carries config.json,
 * generation_config.json, tokenizer.json and tokenizer_config.json.
 */
#ifndef FORMATS_GGUF_FILES_H
#define FORMATS_GGUF_FILES_H

#include "arch/family.h"
#include "base/json.h"
#include "formats/gguf.h"

/*
 * config.json. file is read for the rotary factors, which are a tensor.
 * E_DATA: an architecture, or a way of scaling positions, that is not known;
 * a key that is missing or no number.
 */
int gguf_config(json_t **config, const struct gguf *g,
		const struct file *file) MUST_CHECK;

/* E_DATA: a key of the architecture's that may change what the model computes,
 * and that is not read here, by its name. */
int gguf_check_keys(const struct gguf *g, const struct family *f) MUST_CHECK;

/* The family of its general.architecture. E_DATA: none is known. */
int gguf_family(const struct family **f, const struct gguf *g) MUST_CHECK;

/* generation_config.json: the tokens that begin, end and pad. */
int gguf_generation(json_t **config, const struct gguf *g) MUST_CHECK;

/* tokenizer.json, *json NULL where the GGUF has no vocabulary. E_DATA: a
 * tokenizer or pre-tokenizer that is not known, by name. */
int gguf_tokenizer(json_t **json, const struct gguf *g) MUST_CHECK;

/* tokenizer_config.json, with the chat template; *json likewise. */
int gguf_tokenizer_config(json_t **json, const struct gguf *g) MUST_CHECK;

/* ---- shared by the files of this module ---- */

/* A text value as a JSON string; NULL: not there, no text, not UTF-8. */
json_t *gguf_json_text(const struct gguf *g, const char *key);

/* A whole number of 0 to 2^53; none where it is absent or something else. */
int64_t gguf_whole(const struct gguf *g, const char *key, int64_t none);

/* The value under "<architecture>.<name>"; NULL: there is none. */
const struct gguf_value *gguf_find_of(const struct gguf *g,
				      const struct family *f,
				      const char *name);

/* That as a number; none where it is absent. E_DATA: it is no number. */
int gguf_number_of(const struct gguf *g, const struct family *f,
		   const char *name, double none, double *x) MUST_CHECK;

/* An f32 as the shortest decimal number that gives it back. */
json_t *gguf_real(double x);

/* Is there no head of its own? Where llama.cpp wants one (copied), one of the
 * embedding's bytes is none. */
int gguf_is_tied(const struct gguf *g, const struct family *f,
		 const struct file *file);

/* Puts config.json's "rope_scaling". E_DATA: a kind that is not known. */
int gguf_config_rope(json_t *c, const struct gguf *g, const struct family *f,
		     const struct file *file) MUST_CHECK;

/* Token id as a JSON string; NULL: no such token. */
json_t *gguf_token(const struct gguf *g, int64_t id);

/* Puts value (taken; NULL: out of memory) into object under key. */
int gguf_put(json_t *object, const char *key, json_t *value) MUST_CHECK;

/* *known: is there a tokenizer? *bos, *space: does it put a first token, a
 * first space before a text? E_DATA: one that is not known. */
int gguf_tokenizer_adds(const struct gguf *g, int *known, int *bos,
			int *space) MUST_CHECK;

/* The merges that make a vocabulary with scores (SentencePiece) as an array of
 * pairs, in the order in which they are to be made. E_DATA, E_NOMEM. */
int gguf_merges(json_t **merges, const struct gguf *g) MUST_CHECK;

#endif
