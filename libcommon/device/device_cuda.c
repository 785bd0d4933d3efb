/*
 * CUDA's door: the one file that knows its runtime.
 *
 * Host memory is pageable, and the runtime copies such memory at half the
 * bus's speed while its caller waits. So each direction has a stream, a
 * thread and a few pinned buffers: the thread cuts copies into pieces and
 * hands them on, buffer after buffer; while one is on the bus the next is
 * filled, or emptied.
 *
 * The thread waits for a piece's event and calls done itself. A host function
 * in the stream (cudaLaunchHostFunc) would be called by CUDA, but not after an
 * error, and then no copy may be forgotten: so somebody has to wait anyway.
 *
 * "managed" is the same with memory that the driver moves (QLoRA's paged
 * optimizers): for comparison.
 */
#include <cuda_runtime_api.h>

#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "device/kind.h"

enum {
	PIECE = 1 << 20,        /* bytes of a buffer */
	BUFFERS = 4,            /* of a direction */
};

/* A piece of a copy, in the buffer that it goes through. */
struct piece {
	char *buffer;
	cudaEvent_t passed;     /* it is no longer on the bus */
	struct device_copy *copy;
	size_t at, n;           /* in the copy */
};

/* A direction. Its thread alone uses it, but for waiting and stop, which are
 * under the device's lock. */
struct lane {
	struct device *device;
	cudaStream_t stream;
	struct piece piece[BUFFERS];    /* a ring */
	size_t first, n;                /* of those on the bus */
	struct device_copy *now;        /* is being cut; or NULL */
	struct device_queue waiting;
	pthread_t thread;
	pthread_cond_t wake;
	int running, stop;
};

struct cuda {
	struct lane lane[DEVICE_DIRS];
	int prefetch;           /* managed memory moves when told */
};

static int failed(cudaError_t e, const char *call)
{
	if (e == cudaSuccess)
		return 0;
	return err_set(e == cudaErrorMemoryAllocation ? E_NOMEM : E_UNAVAIL,
		       "%s: %s", call, cudaGetErrorString(e));
}

/* Calls the runtime: CALL(Malloc, ...) is cudaMalloc(...). */
#define CALL(call, ...) failed(cuda##call(__VA_ARGS__), "cuda" #call)

/* ---- a direction's thread ---- */

static int is_last(const struct piece *p)
{
	return p->at + p->n == p->copy->n;
}

/* The next copy to cut. With nothing on the bus it waits for one; NULL then
 * is the end. */
static struct device_copy *next(struct lane *lane)
{
	pthread_mutex_t *lock = &lane->device->lock;
	struct device_copy *c;

	pthread_mutex_lock(lock);
	while (!lane->waiting.first && !lane->n && !lane->stop)
		pthread_cond_wait(&lane->wake, lock);
	c = device_pop(&lane->waiting);
	pthread_mutex_unlock(lock);
	if (c)
		c->moved = 0;
	return c;
}

/* Puts a piece of the copy on the bus. */
static int issue(struct lane *lane)
{
	struct piece *p = &lane->piece[(lane->first + lane->n) % BUFFERS];
	struct device_copy *c = lane->now;
	char *at = c->at + c->moved;

	TRY(device_check(lane->device));
	p->copy = c;
	p->at = c->moved;
	p->n = size_min(PIECE, c->n - c->moved);
	if (c->dir == H2D) {
		memcpy(p->buffer, c->host + p->at, p->n);
		TRY(CALL(MemcpyAsync, at, p->buffer, p->n,
			 cudaMemcpyDefault, lane->stream));
	} else {
		TRY(CALL(MemcpyAsync, p->buffer, at, p->n,
			 cudaMemcpyDefault, lane->stream));
	}
	TRY(CALL(EventRecord, p->passed, lane->stream));
	lane->n++;
	c->moved += p->n;
	if (is_last(p))
		lane->now = NULL;
	return 0;
}

/* Waits for the first piece on the bus. */
static int retire(struct lane *lane)
{
	struct piece *p = &lane->piece[lane->first];
	struct device_copy *c = p->copy;

	TRY(CALL(EventSynchronize, p->passed));
	if (c->dir == D2H)
		memcpy(c->host + p->at, p->buffer, p->n);
	lane->first = (lane->first + 1) % BUFFERS;
	lane->n--;
	if (is_last(p))
		device_copied(c, 0);
	return 0;
}

/* The device is lost: ends what is under way. The bus may still use our
 * buffers, but nobody else's memory. */
static void give_up(struct lane *lane)
{
	for (; lane->n; lane->n--) {
		struct piece *p = &lane->piece[lane->first];

		lane->first = (lane->first + 1) % BUFFERS;
		if (is_last(p))
			device_copied(p->copy, E_UNAVAIL);
	}
	if (lane->now)
		device_copied(lane->now, E_UNAVAIL);
	lane->now = NULL;
}

static void *lane_work(void *arg)
{
	struct lane *lane = arg;
	int err;

	for (;;) {
		if (!lane->now)
			lane->now = next(lane);
		if (lane->now && lane->n < BUFFERS)
			err = issue(lane);
		else if (lane->n)
			err = retire(lane);
		else
			return NULL;
		if (err)
			give_up(lane);
	}
}

static void cuda_copy(struct device *d, struct device_copy *c)
{
	struct lane *lane = &((struct cuda *)d->own)->lane[c->dir];

	device_lock(d);
	device_push(&lane->waiting, c);
	pthread_cond_signal(&lane->wake);
	device_unlock(d);
}

static int lane_open(struct lane *lane, struct device *d)
{
	lane->device = d;
	pthread_cond_init(&lane->wake, NULL);
	TRY(CALL(StreamCreateWithFlags, &lane->stream,
		 cudaStreamNonBlocking));
	for (size_t i = 0; i < BUFFERS; i++) {
		struct piece *p = &lane->piece[i];

		TRY(CALL(HostAlloc, (void **)&p->buffer, PIECE,
			 cudaHostAllocDefault));
		TRY(CALL(EventCreateWithFlags, &p->passed,
			 cudaEventBlockingSync | cudaEventDisableTiming));
	}
	if (pthread_create(&lane->thread, NULL, lane_work, lane))
		return err_set(E_NOMEM, "cannot start a thread");
	lane->running = 1;
	return 0;
}

/* Safe on one that was half opened. What the runtime says is not asked: the
 * device may be gone, and nothing can be done about it. */
static void lane_close(struct lane *lane)
{
	if (!lane->device)
		return;
	pthread_mutex_lock(&lane->device->lock);
	lane->stop = 1;
	pthread_cond_signal(&lane->wake);
	pthread_mutex_unlock(&lane->device->lock);
	if (lane->running)
		pthread_join(lane->thread, NULL);
	if (lane->stream) {
		cudaStreamSynchronize(lane->stream);
		cudaStreamDestroy(lane->stream);
	}
	for (size_t i = 0; i < BUFFERS; i++) {
		if (lane->piece[i].passed)
			cudaEventDestroy(lane->piece[i].passed);
		if (lane->piece[i].buffer)
			cudaFreeHost(lane->piece[i].buffer);
	}
	pthread_cond_destroy(&lane->wake);
}

/* ---- the device ---- */

static int find(const struct device *d)
{
	int n = 0;

	TRY(CALL(GetDeviceCount, &n));
	if (n < 1)
		return err_set(E_UNAVAIL, "there is none");
	(void)d;
	return 0;
}

/* Has the device this much left? */
static int has_room(const struct device *d)
{
	size_t left, total;

	TRY(CALL(MemGetInfo, &left, &total));
	if (d->stat.budget > left)
		return err_set(E_NOMEM, "a budget of %zu bytes, and %zu of "
			       "%zu are free", d->stat.budget, left, total);
	return 0;
}

static int open_parts(struct device *d, int (*check)(const struct device *))
{
	struct cuda *cu = d->own;

	TRY(find(d));
	TRY(check(d));
	TRY(CALL(DeviceGetAttribute, &cu->prefetch,
		 cudaDevAttrConcurrentManagedAccess, 0));
	TRY(lane_open(&cu->lane[H2D], d));
	return lane_open(&cu->lane[D2H], d);
}

static int open_with(struct device *d, int (*check)(const struct device *))
{
	int err;

	d->own = calloc(1, sizeof(struct cuda));
	if (!d->own)
		return err_set(E_NOMEM, "out of memory");
	err = open_parts(d, check);
	return err ? err_at(err, "device %s", d->kind->name) : 0;
}

static int cuda_open(struct device *d, const struct device_options *options)
{
	(void)options;
	return open_with(d, has_room);
}

static void cuda_close(struct device *d)
{
	struct cuda *cu = d->own;

	if (!cu)
		return;
	lane_close(&cu->lane[H2D]);
	lane_close(&cu->lane[D2H]);
	free(cu);
}

/* Too little memory is no harm to the device; all else is. */
static int allocated(struct device *d, int err)
{
	if (err == E_NOMEM) {
		cudaGetLastError();     /* forgets it */
		return err_at(err, "device %s", d->kind->name);
	}
	return err ? device_lost(d) : 0;
}

static int cuda_alloc(struct device *d, struct device_region *r)
{
	return allocated(d, CALL(Malloc, (void **)&r->at, r->bytes));
}

/* Waits until the device has done what it was given before. */
static void cuda_free(struct device *d, struct device_region *r)
{
	if (failed(cudaFree(r->at), "cudaFree"))
		device_lost(d);
}

const struct device_kind device_cuda = {
	.name = "cuda",
	.open = cuda_open,
	.close = cuda_close,
	.alloc = cuda_alloc,
	.free = cuda_free,
	.copy = cuda_copy,
};

/* ---- memory that the driver moves ---- */

/* It may be more than the device has: this is what it is for. */
static int any_budget(const struct device *d)
{
	(void)d;
	return 0;
}

static int managed_open(struct device *d,
			const struct device_options *options)
{
	(void)options;
	return open_with(d, any_budget);
}

static int managed_alloc(struct device *d, struct device_region *r)
{
	return allocated(d, CALL(MallocManaged, (void **)&r->at, r->bytes,
				 cudaMemAttachGlobal));
}

/* The device moves it now, and not at the first fault. */
static int managed_pin(struct device *d, struct device_region *r)
{
	const struct cuda *cu = d->own;
	cudaStream_t stream = cu->lane[H2D].stream;
#if CUDART_VERSION >= 13000
	struct cudaMemLocation gpu = { cudaMemLocationTypeDevice, 0 };
#endif
	int err;

	if (!cu->prefetch)
		return 0;
#if CUDART_VERSION >= 13000
	err = CALL(MemPrefetchAsync, r->at, r->bytes, gpu, 0, stream);
#else
	err = CALL(MemPrefetchAsync, r->at, r->bytes, 0, stream);
#endif
	return err ? device_lost(d) : 0;
}

const struct device_kind device_managed = {
	.name = "managed",
	.open = managed_open,
	.close = cuda_close,
	.alloc = managed_alloc,
	.free = cuda_free,
	.copy = cuda_copy,
	.pin = managed_pin,
};
