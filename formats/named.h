/*
 * named - adapters with names: -A NAME=FILE, more than once
 */
#ifndef FORMATS_NAMED_H
#define FORMATS_NAMED_H

#include "base/opt.h"
#include "formats/inputs.h"

struct named {
	char **name;                    /* (n); of a single one, it is "" where
					 * none was given */
	const struct collected *at;     /* (n), the collection's */
	size_t n;
};

/*
 * A base and all adapters, of the operands (standard input when there are none)
 * and of -A's entries. An entry that is no file is NAME=FILE; without a name
 * it has the file's, up to the dot. budget, agent: as inputs_collect()'s.
 * E_DATA: no base; several adapters that were not all given by -A. E_USAGE: two
 * of a name.
 */
int named_collect(struct named *named, struct collection *c,
		  char *const *operands, const struct opt_list *adapters,
		  uint64_t budget, const char *agent) MUST_CHECK;
void named_release(struct named *named); /* safe on a zeroed struct */

#endif
