/* The stand-in's body: included by the one test that needs it. */
#ifndef TESTS_FAKE_CUDA_H
#define TESTS_FAKE_CUDA_H

#include "tests/fake_cuda/cuda_runtime_api.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake_cuda fake_cuda;

static pthread_mutex_t fake_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t fake_wake = PTHREAD_COND_INITIALIZER;
static cudaError_t fake_lost, fake_last;
static int fake_running;
static long fake_pending;               /* in a stream, or running */

/* Memory of the device or pinned memory of the host. */
struct fake_memory {
	char *at;
	size_t n;
	int device;
	struct fake_memory *next;
};

static struct fake_memory *fake_memories;

/* What makes a device's address of a host's: no program has such a one. */
#define FAKE_DEVICE ((uintptr_t)1 << 62)

struct fake_event {
	long recorded, passed;
};

struct fake_op {
	char *to;
	const char *from;
	size_t n;
	struct fake_event *event;
	struct fake_op *next;
};

struct fake_stream {
	struct fake_op *first, *last;
	int busy, stop;
	pthread_t thread;
};

static void fake_wrong(const char *what)
{
	fprintf(stderr, "fake_cuda: %s\n", what);
	abort();
}

void fake_cuda_reset(void)
{
	memset(&fake_cuda, 0, sizeof(fake_cuda));
	fake_cuda.devices = 1;
	fake_cuda.left = (size_t)1 << 30;
	fake_lost = fake_last = cudaSuccess;
}

void fake_cuda_hold(int hold)
{
	pthread_mutex_lock(&fake_lock);
	fake_cuda.hold = hold;
	pthread_cond_broadcast(&fake_wake);
	pthread_mutex_unlock(&fake_lock);
}

long fake_cuda_copies(void)
{
	long n;

	pthread_mutex_lock(&fake_lock);
	n = fake_cuda.copies;
	pthread_mutex_unlock(&fake_lock);
	return n;
}

/* Begins a call: takes the lock, and says what it is to fail with. */
static cudaError_t fake_begin(void)
{
	long nth;

	pthread_mutex_lock(&fake_lock);
	nth = ++fake_cuda.calls;
	if (nth == fake_cuda.fail_call && fake_cuda.sticky)
		fake_lost = fake_cuda.fail_with;
	return fake_lost ? fake_lost :
	       nth == fake_cuda.fail_call ? fake_cuda.fail_with : cudaSuccess;
}

static cudaError_t fake_end(cudaError_t e)
{
	if (e)
		fake_last = e;
	pthread_cond_broadcast(&fake_wake);
	pthread_mutex_unlock(&fake_lock);
	return e;
}

/* ---- memory ---- */

/* Where the n bytes at an address are for the host. */
static char *fake_find(const void *at, size_t n, int *device)
{
	uintptr_t p = (uintptr_t)at;

	*device = (p & FAKE_DEVICE) != 0;
	p &= ~FAKE_DEVICE;
	for (struct fake_memory *m = fake_memories; m; m = m->next) {
		uintptr_t first = (uintptr_t)m->at;

		if (m->device == *device && p >= first &&
		    p - first <= m->n && n <= m->n - (p - first))
			return m->at + (p - first);
	}
	fake_wrong("an address that was not allocated");
	return NULL;
}

static cudaError_t fake_alloc(void **at, size_t n, int device)
{
	cudaError_t e = fake_begin();
	struct fake_memory *m;

	*at = NULL;
	if (!e && device && n > fake_cuda.left)
		e = cudaErrorMemoryAllocation;
	if (e)
		return fake_end(e);
	m = malloc(sizeof(*m));
	*m = (struct fake_memory){ aligned_alloc(256, (n + 255) & ~255ul), n,
				   device, fake_memories };
	fake_memories = m;
	fake_cuda.left -= device ? n : 0;
	fake_cuda.live++;
	*at = (void *)((uintptr_t)m->at | (device ? FAKE_DEVICE : 0));
	return fake_end(e);
}

/* The memory's place in the list. */
static struct fake_memory **fake_link(const void *at, int device)
{
	struct fake_memory **link = &fake_memories;

	for (; *link; link = &(*link)->next)
		if ((uintptr_t)(*link)->at == ((uintptr_t)at & ~FAKE_DEVICE) &&
		    (*link)->device == device)
			return link;
	fake_wrong("memory is freed that was not allocated");
	return NULL;
}

/* Gives back even when it says that it could not: what a driver does with the
 * memory of a lost device. Freeing a device's waits for what it does. */
static cudaError_t fake_give(void *at, int device)
{
	cudaError_t e = fake_begin();
	struct fake_memory **link, *m;

	while (fake_lost ? fake_running : device ? fake_pending : 0)
		pthread_cond_wait(&fake_wake, &fake_lock);
	link = fake_link(at, device);
	m = *link;
	*link = m->next;
	fake_cuda.left += device ? m->n : 0;
	fake_cuda.live--;
	free(m->at);
	free(m);
	return fake_end(e);
}

cudaError_t cudaMalloc(void **at, size_t n)
{
	return fake_alloc(at, n, 1);
}

cudaError_t cudaMallocManaged(void **at, size_t n, unsigned flags)
{
	return flags == cudaMemAttachGlobal ? fake_alloc(at, n, 1) :
	       cudaErrorIllegalAddress;
}

cudaError_t cudaFree(void *at)
{
	return fake_give(at, 1);
}

cudaError_t cudaHostAlloc(void **at, size_t n, unsigned flags)
{
	return flags ? cudaErrorIllegalAddress : fake_alloc(at, n, 0);
}

cudaError_t cudaFreeHost(void *at)
{
	return fake_give(at, 0);
}

/* ---- the device ---- */

const char *cudaGetErrorString(cudaError_t e)
{
	static const char *const text[] = {
		"no error", "out of memory",
		"CUDA driver version is insufficient for CUDA runtime version",
		"no CUDA-capable device is detected",
		"an illegal memory access was encountered",
	};

	return text[e];
}

cudaError_t cudaGetLastError(void)
{
	cudaError_t e = fake_begin(), last = e ? e : fake_last;

	fake_last = cudaSuccess;
	pthread_mutex_unlock(&fake_lock);
	return last;
}

cudaError_t cudaGetDeviceCount(int *n)
{
	cudaError_t e = fake_begin();

	*n = fake_cuda.devices;
	return fake_end(e ? e : fake_cuda.no_driver);
}

cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attr,
				   int device)
{
	(void)attr;
	(void)device;
	*value = fake_cuda.concurrent;
	return fake_end(fake_begin());
}

cudaError_t cudaMemGetInfo(size_t *left, size_t *total)
{
	cudaError_t e = fake_begin();

	*left = fake_cuda.left;
	*total = (size_t)1 << 30;
	return fake_end(e);
}

#include "tests/fake_cuda/fake_streams.h"

#endif
