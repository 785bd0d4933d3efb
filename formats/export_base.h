/*
 * export_base - what the directories of a base model have in common
 */
#ifndef FORMATS_EXPORT_BASE_H
#define FORMATS_EXPORT_BASE_H

#include "arch/family.h"
#include "formats/export.h"
#include "formats/shards.h"

struct export_base {
	const struct export_options *o;
	struct export_dir dir;
	struct shards shards;
	struct source *from;
	char *text;             /* config.json as it came; NULL: none */
	size_t text_size;
	json_t *config;         /* parsed; an empty object without one */
	const struct family *family; /* NULL: it is of none that is known */
	int head, weights;      /* an output head, any weight was met */
	int seen;               /* a base was */

	/* Writes a tensor, which is loaded; config and family are set. */
	int (*tensor)(struct export_base *b,
		      const struct tensor *t) MUST_CHECK;

	/* Changes what config.json must say; *changed 0: nothing. */
	int (*configure)(struct export_base *b, json_t *config,
			 int *changed) MUST_CHECK;
	void *own;
};

/* Reads the input to its end and writes dir; tensor and configure are set. */
int export_base_run(struct export_base *b, struct source *from,
		    const char *dir,
		    const struct export_options *o) MUST_CHECK;

/* Writes a plain array of t's shape, of the type d, as checkpoints of its
 * family have it; data lies as in a stream. */
int export_base_array(struct export_base *b, const struct tensor *t,
		      enum dtype d, const void *data) MUST_CHECK;

/* The same of t itself: as it is, or decoded or rounded where it is not of
 * this type. */
int export_base_dense(struct export_base *b, const struct tensor *t,
		      enum dtype d) MUST_CHECK;

/* Sets key, if that changes it; value is taken. */
int export_base_set(json_t *config, const char *key, json_t *value,
		    int *changed) MUST_CHECK;

/* Sets the model's type, in the spelling that the config has. */
int export_base_dtype(json_t *config, enum dtype d, int *changed) MUST_CHECK;

#endif
