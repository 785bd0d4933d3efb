/*
 * collect - all that a consuming program needs of its inputs, in memory
 *
 * For peft-step, merge-adapter --verify, eval, generate: the base's tensors
 * and side files, the adapters, the data. Streams are recognised by kind.
 */
#ifndef FORMATS_COLLECT_H
#define FORMATS_COLLECT_H

#include "data/samples.h"
#include "formats/source.h"

struct base_pages;

struct collected {
	int present;
	struct tensor_set tensors;      /* blobs among them */
	struct base_pages *pages;       /* formats/base_pages.h, or NULL */
	json_t *meta;                   /* object: META records by key */
	unsigned char digest[16];
	json_t *provenance;             /* array of prov records */
};

struct collection {
	struct collected base;
	struct collected *adapter;      /* nadapter, in the order they came */
	size_t nadapter;
	struct samples data;            /* of all data streams, joined */
	json_t *data_provenance;        /* array of prov records */
	unsigned char data_digest[16];  /* of all data streams, in order */
	int has_data;
	struct input_digest *input;     /* ninput, for sink_provenance() */
	size_t ninput;
};

/* E_DATA: two bases with a tensor of the same name. Reads to the end. Safe to
 * release after a failure. */
int collect(struct collection *c, char *const *paths) MUST_CHECK;

/* Likewise, but the base's matrices are in pages (formats/base_pages.h), not
 * in memory: budget bytes may be taken while they come in. */
int collect_paged(struct collection *c, char *const *paths,
		  uint64_t budget) MUST_CHECK;

/* As collect(), with a GGUF's blocks decoded to bf16 as st-import does it;
 * collect() keeps them as they are. */
int collect_decoded(struct collection *c, char *const *paths) MUST_CHECK;
void collection_release(struct collection *c);

/* A side file of the base ("config.json"), borrowed; NULL: not there. */
const char *collection_file(const struct collected *c, const char *name,
			    size_t *size);

#endif
