/* The host as a device: plain memory, and copies that are done at once. */
#include <stdlib.h>
#include <string.h>

#include "device/kind.h"

static int host_open(struct device *d, const struct device_options *options)
{
	(void)d;
	(void)options;
	return 0;
}

static void host_close(struct device *d)
{
	(void)d;
}

static int host_alloc(struct device *d, struct device_region *r)
{
	(void)d;
	r->at = aligned_alloc(DEVICE_ALIGN, r->bytes);
	return r->at ? 0 : err_set(E_NOMEM, "device host: out of memory");
}

static void host_free(struct device *d, struct device_region *r)
{
	(void)d;
	free(r->at);
}

static void host_copy(struct device *d, struct device_copy *c)
{
	(void)d;
	if (c->dir == H2D)
		memcpy(c->at, c->host, c->n);
	else
		memcpy(c->host, c->at, c->n);
	device_copied(c, 0);
}

const struct device_kind device_host = {
	.name = "host",
	.host_access = 1,
	.open = host_open,
	.close = host_close,
	.alloc = host_alloc,
	.free = host_free,
	.copy = host_copy,
};
