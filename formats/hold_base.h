/*
 * hold_base - the body of a program that must have all of a base, and perhaps
 * data, before it can write any of it
 *
 * Other streams go through while they are read; the base comes after them.
 */
#ifndef FORMATS_HOLD_BASE_H
#define FORMATS_HOLD_BASE_H

#include "base/opt.h"
#include "data/samples.h"
#include "formats/collect.h"
#include "formats/sink.h"

struct hold_base {
	struct collected base;  /* its tensors in order */
	struct samples data;    /* of all data streams */
};

/* Reads the source to its end. E_DATA: there is no base, or are two. Safe to
 * release after a failure. */
int hold_base_read(struct hold_base *h, struct source *from,
		   struct sink *to) MUST_CHECK;

/* Writes the base, with p's provenance: the base was an input, and with data
 * (16 bytes; or NULL) samples of that digest. */
int hold_base_write(const struct hold_base *h, struct sink *to,
		    const struct opt_program *p,
		    const unsigned char *data) MUST_CHECK;
void hold_base_release(struct hold_base *h);

#endif
