#define _GNU_SOURCE /* memfd_create, seals */
#include "formats/agent_parts.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/size.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010 /* Linux 5.1 */
#endif

/* After this, nobody but the mapping that is there can write, and nobody can
 * make it shorter under a reader. */
static int seal(int fd)
{
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW |
		  F_SEAL_FUTURE_WRITE | F_SEAL_SEAL))
		return err_errno(E_UNAVAIL, "the arena cannot be sealed");
	return 0;
}

static int map(struct agent_arena *a, size_t bytes)
{
	a->fd = memfd_create("weft-arena", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (a->fd < 0 || ftruncate(a->fd, (off_t)bytes))
		return err_errno(E_NOMEM, "no arena of %zu MiB", bytes >> 20);
	a->at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, a->fd,
		     0);
	if (a->at == MAP_FAILED) {
		a->at = NULL;
		return err_errno(E_NOMEM, "no arena of %zu MiB", bytes >> 20);
	}
	return seal(a->fd);
}

int agent_arena_init(struct agent_arena *a, uint64_t bytes)
{
	memset(a, 0, sizeof(*a));
	a->fd = -1;
	a->nblock = (size_t)(bytes / AGENT_BLOCK);
	if (!a->nblock || a->nblock > UINT32_MAX)
		return err_set(E_USAGE, "memory: want some MiB");
	a->free = malloc(a->nblock * sizeof(*a->free));
	if (!a->free)
		return err_set(E_NOMEM, "out of memory");
	while (a->nfree < a->nblock) {
		a->free[a->nfree] = (uint32_t)(a->nblock - 1 - a->nfree);
		a->nfree++;
	}
	return map(a, a->nblock * AGENT_BLOCK);
}

void agent_arena_release(struct agent_arena *a)
{
	if (a->at)
		munmap(a->at, a->nblock * AGENT_BLOCK);
	if (a->fd >= 0)
		close(a->fd);
	free(a->free);
	memset(a, 0, sizeof(*a));
	a->fd = -1;
}

size_t agent_blocks(size_t bytes)
{
	return size_ceil(bytes, AGENT_BLOCK);
}
