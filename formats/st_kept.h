/*
 * st_kept - provenance records: those of the inputs, and a program's own
 *
 * What a record says must be the same for the same result: no command line, no
 * file names, no time, nothing that cannot change a tensor.
 */
#ifndef FORMATS_ST_KEPT_H
#define FORMATS_ST_KEPT_H

#include "base/opt.h"
#include "formats/source.h"

/* Headers of prov records, in the order they came, none of them twice. */
struct st_kept {
	struct st_kept_header {
		unsigned char *header;
		size_t n;
	} *at;
	size_t n, room, bytes;
};

/* E_DATA: more than a stream may hold; E_NOMEM. */
int st_kept_add(struct st_kept *k, const void *header, size_t n) MUST_CHECK;
void st_kept_release(struct st_kept *k);        /* leaves it empty */

/* {"in": [{"content": hex, "kind": kind} ...], "params": {option: text},
 *  "tool": name, "ver": version} */
int st_kept_record(json_t **record, const struct opt_program *p,
		   const struct input_digest *input, size_t n) MUST_CHECK;

#endif
