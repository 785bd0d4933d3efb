/*
 * spill - a file without a name, for pages that do not fit into memory
 *
 * It is in the folder that TMPDIR names, else /var/tmp, and gone when the
 * process is: what counts is in the checkpoint. Its room is taken in full
 * before it is needed, so that a disk that is full says so at the start.
 */
#ifndef PAGER_SPILL_H
#define PAGER_SPILL_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct spill {
	int fd;
	uint64_t bytes;
};

/* E_CREATE: there is no such folder, or it is in memory itself. */
int spill_open(struct spill *s) MUST_CHECK;
void spill_close(struct spill *s);

/* Makes room up to bytes. E_CREATE: the disk is too full, and for how much. */
int spill_reserve(struct spill *s, uint64_t bytes) MUST_CHECK;

/* E_IO. From any thread. */
int spill_write(const struct spill *s, uint64_t at, const void *from,
		size_t n) MUST_CHECK;
int spill_read(const struct spill *s, uint64_t at, void *to,
	       size_t n) MUST_CHECK;

#endif
