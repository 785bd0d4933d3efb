#define _DEFAULT_SOURCE
#include "pager/space.h"

#include <string.h>
#include <sys/mman.h>

int space_init(struct space *s, size_t bytes)
{
	void *at;

	memset(s, 0, sizeof(*s));
	if (!bytes)
		return 0;
	at = mmap(NULL, bytes, PROT_NONE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		return err_errno(E_NOMEM, "no addresses for %zu MiB",
				 bytes >> 20);
	s->at = at;
	s->bytes = bytes;
	return 0;
}

void space_release(struct space *s)
{
	if (s->at)
		munmap(s->at, s->bytes);
	memset(s, 0, sizeof(*s));
}

int space_take(void *at, size_t bytes)
{
	if (mprotect(at, bytes, PROT_READ | PROT_WRITE))
		return err_errno(E_NOMEM, "no memory for %zu MiB",
				 bytes >> 20);
	return 0;
}

int space_drop(void *at, size_t bytes)
{
	if (madvise(at, bytes, MADV_DONTNEED) ||
	    mprotect(at, bytes, PROT_NONE))
		return err_errno(E_BUG, "memory that cannot be given back");
	return 0;
}
