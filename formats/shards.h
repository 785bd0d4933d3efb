/*
 * shards - weights as model.safetensors, or as numbered files with an index
 */
#ifndef FORMATS_SHARDS_H
#define FORMATS_SHARDS_H

#include "formats/export_dir.h"
#include "formats/safetensors.h"

struct shards {
	const struct export_dir *dir; /* borrowed */
	uint64_t most;          /* bytes of data in a file */
	struct safetensors_out out;
	size_t n;               /* files begun */
	uint64_t total;
	json_t *where;          /* tensor -> number of its file, from 1 */
};

/* most: bytes in a file, unless one array alone has more. */
int shards_begin(struct shards *s, const struct export_dir *dir,
		 uint64_t most) MUST_CHECK;
int shards_add(struct shards *s, const char *name, enum dtype d, int rank,
	       const size_t *shape, const void *data) MUST_CHECK;

/* Finishes the last file; gives the files their names, writes the index. */
int shards_finish(struct shards *s) MUST_CHECK;
void shards_release(struct shards *s);  /* safe on zeroes */

#endif
