/*
 * export - streams to the directories that other programs read
 *
 * A directory is written beside its place under another name and renamed when
 * it is whole and on the disk: a failed export leaves nothing. A place that
 * holds files already is refused, unless force: then files of the same names
 * are replaced, weights of an earlier export removed, and all others left. A
 * signal that sig_notice() noted is a failure like others.
 */
#ifndef FORMATS_EXPORT_H
#define FORMATS_EXPORT_H

#include "formats/source.h"

struct export_options {
	const char *base_name;  /* base_model_name_or_path; NULL: what the
				 * adapter says */
	enum dtype dtype;       /* of weights; DTYPE_NONE: as they are */
	uint64_t shard;         /* bytes of a file of weights at most */
	int force;
};

/*
 * Each reads all of from and writes dir. E_DATA: the input does not hold what
 * this directory is for, or in a form that it cannot have; E_CREATE, E_IO.
 *
 * export_hf    a base with dense weights; quantised ones need a dtype
 * export_bnb   a base with NF4 weights, as transformers loads it with
 *              bitsandbytes
 * export_peft  one adapter
 *
 * A base without a config.json (one file of weights) gets none.
 */
int export_hf(struct source *from, const char *dir,
	      const struct export_options *o) MUST_CHECK;
int export_bnb(struct source *from, const char *dir,
	       const struct export_options *o) MUST_CHECK;
int export_peft(struct source *from, const char *dir,
		const struct export_options *o) MUST_CHECK;

#endif
