/*
 * export - streams to what other programs read
 *
 * A target is a directory or a file. Either is written beside its place under
 * another name and renamed when it is whole and on the disk: a failed export
 * leaves nothing. A file that is there, or a directory that holds files, is
 * refused, unless force: then a file is replaced; in a directory files of the
 * same names are replaced, weights of an earlier export removed, and all
 * others left. A signal that sig_notice() noted is a failure like others.
 */
#ifndef FORMATS_EXPORT_H
#define FORMATS_EXPORT_H

#include "formats/source.h"

struct export_options {
	const char *base_name;  /* base_model_name_or_path, general.name; NULL:
				 * what the stream says */
	enum dtype dtype;       /* of weights; DTYPE_NONE: as they are */
	const char *blocks;     /* or a GGUF's blocks: "q8_0"; NULL: none */
	const char *base;       /* a base that an adapter is for: a path that
				 * source_open() takes; NULL: none */
	uint64_t shard;         /* bytes of a file of weights at most */
	int force;
};

/*
 * Reads all of from and writes place. E_DATA: the input does not hold what
 * this target is for, or in a form that it cannot have; E_CREATE, E_IO.
 */
typedef int export_fn(struct source *from, const char *place,
		      const struct export_options *o);

/* Gives handle() every item of from, the last of kind ITEM_NONE too. Errors
 * say which input; E_IO when a signal came. */
typedef int export_item_fn(void *self, const struct item *item);
int export_each(struct source *from, export_item_fn *handle,
		void *self) MUST_CHECK;

/* What each can do; the tool refuses other options. */
enum {
	EXPORT_DTYPE = 1,       /* writes weights in another type */
	EXPORT_BLOCKS = 2,      /* or in blocks */
	EXPORT_CONFIG = 4,      /* a base's directory, with a config.json if
				 * one came */
	EXPORT_FILE = 8,        /* its place is a file */
};

struct export_target {
	const char *name;
	export_fn *run;
	int can;
};

/*
 * hf    a base with dense weights; quantised ones need a dtype
 * peft  one adapter
 * bnb   a base with NF4 weights, as transformers loads it with bitsandbytes
 * gguf  a base, or one LoRA adapter: llama.cpp's file
 *
 * A base without a config.json (one file of weights) gets none, and no GGUF.
 */
export_fn export_hf, export_peft, export_bnb, export_gguf;

/* NULL: no target has the name. The targets; past the last: NULL. */
const struct export_target *export_find(const char *name);
const struct export_target *export_at(size_t i);

#endif
