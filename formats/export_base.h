/*
 * export_base - what the directories of a base model have in common
 */
#ifndef FORMATS_EXPORT_BASE_H
#define FORMATS_EXPORT_BASE_H

#include "formats/export.h"
#include "formats/shards.h"

struct export_base {
	const struct export_options *o;
	struct export_dir dir;
	struct shards shards;
	struct source *from;
	char *config;           /* config.json as it came; NULL: none */
	size_t config_size;
	int head, weights;      /* an output head, any weight was met */
	int seen;               /* a base was */

	/* Writes a tensor, which is loaded. */
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

/* Sets key, if that changes it; value is taken. */
int export_base_set(json_t *config, const char *key, json_t *value,
		    int *changed) MUST_CHECK;

/* Sets the model's type, in the spelling that the config has. */
int export_base_dtype(json_t *config, enum dtype d, int *changed) MUST_CHECK;

#endif
