/*
 * through - an adapter through another program, and back
 */
#ifndef FORMATS_THROUGH_H
#define FORMATS_THROUGH_H

#include "formats/collect.h"
#include "formats/sink.h"

/*
 * What write() writes is the standard input of the shell command, what that
 * prints is back, the caller's to release also after a failure. Both are files
 * in a directory of their own under TMPDIR (/tmp), so neither side waits for
 * the other. E_DATA: the command failed, or printed no whole stream, or not one
 * adapter; E_CREATE.
 */
typedef int through_write(void *ctx, struct sink *to);

int through(struct collection *back, const char *command,
	    through_write *write, void *ctx) MUST_CHECK;

#endif
