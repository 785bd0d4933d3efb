#define _GNU_SOURCE
#include "pager/space.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/os.h"
#include "base/size.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4 /* Linux 5.7 */
#endif

int space_init(struct space *s, size_t bytes)
{
	void *at;

	memset(s, 0, sizeof(*s));
	if (!bytes)
		return 0;
	at = mmap(NULL, bytes + SPACE_ALIGN, PROT_NONE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		return err_errno(E_NOMEM, "no addresses for %zu MiB",
				 bytes >> 20);
	s->whole = at;
	s->at = (unsigned char *)size_align((uintptr_t)at, SPACE_ALIGN);
	s->bytes = bytes;
	return 0;
}

void space_release(struct space *s)
{
	if (s->whole)
		munmap(s->whole, s->bytes + SPACE_ALIGN);
	memset(s, 0, sizeof(*s));
}

int space_take(void *at, size_t bytes)
{
	if (mprotect(at, bytes, PROT_READ | PROT_WRITE))
		return err_errno(E_NOMEM, "no memory for %zu MiB",
				 bytes >> 20);
	if ((uintptr_t)at % SPACE_ALIGN == 0)
		os_pages_huge(at, bytes);
	return 0;
}

int space_drop(void *at, size_t bytes)
{
	if (madvise(at, bytes, MADV_DONTNEED) ||
	    mprotect(at, bytes, PROT_NONE))
		return err_errno(E_BUG, "memory that cannot be given back");
	return 0;
}

int space_move(void *to, void *from, size_t bytes)
{
	void *at = mremap(from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED |
			  MREMAP_DONTUNMAP, to);

	if (at == MAP_FAILED)
		return err_errno(E_UNAVAIL, "memory cannot be moved");
	if (mprotect(from, bytes, PROT_NONE))
		return err_errno(E_BUG, "memory cannot be closed");
	return 0;
}
