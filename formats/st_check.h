/* st_check - is an input whole, to the last record? */
#ifndef FORMATS_ST_CHECK_H
#define FORMATS_ST_CHECK_H

#include "base/err.h"
#include "formats/source.h"

/* Called for each stream that is whole. */
typedef void st_check_fn(void *ctx, enum stream_kind kind,
			 const unsigned char digest[16]);

/* Reads everything, decodes everything. fn may be NULL. path NULL: standard
 * input. E_DATA: it is not whole, and where. */
int st_check(char *path, st_check_fn *fn, void *ctx) MUST_CHECK;

/*
 * Looks at the end records of a file only, from the last back to the first:
 * finds what was cut short or never ended, not what was damaged inside. E_DATA;
 * E_USAGE: not a regular file.
 */
int st_check_quick(const char *path, st_check_fn *fn, void *ctx) MUST_CHECK;

#endif
