#include "base/arena.h"

#include <assert.h>
#include <string.h>

#include "base/os.h"
#include "base/size.h"

void arena_plan(size_t *total, size_t bytes)
{
	*total += size_align(bytes, ARENA_ALIGN);
}

int arena_init(struct arena *a, size_t size)
{
	memset(a, 0, sizeof(*a));
	if (!size)
		return 0;
	a->base = os_pages(size);
	if (!a->base)
		return err_set(E_NOMEM, "no %zu bytes of memory", size);
	a->size = size;
	return 0;
}

void *arena_get(struct arena *a, size_t bytes)
{
	void *p = a->base + a->used;

	a->used += size_align(bytes, ARENA_ALIGN);
	assert(a->used <= a->size);
	return p;
}

void arena_reset(struct arena *a, size_t mark)
{
	assert(mark <= a->used);
	a->used = mark;
}

void arena_release(struct arena *a)
{
	os_pages_free(a->base, a->size);
	memset(a, 0, sizeof(*a));
}
