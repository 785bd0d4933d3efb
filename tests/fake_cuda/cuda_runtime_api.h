/*
 * A stand-in for the part of CUDA's runtime that device_cuda.c calls, so that
 * its logic is tested where there is no CUDA: names, types and meaning are
 * those of the runtime, the numbers need not be.
 *
 * It is strict. A device pointer is no address that the host could touch; a
 * copy is between the device and pinned memory, inside of what was allocated;
 * and streams run on threads of their own.
 */
#ifndef TESTS_FAKE_CUDA_RUNTIME_API_H
#define TESTS_FAKE_CUDA_RUNTIME_API_H

#include <stddef.h>

#define CUDART_VERSION 13000

typedef enum {
	cudaSuccess,
	cudaErrorMemoryAllocation,
	cudaErrorInsufficientDriver,
	cudaErrorNoDevice,
	cudaErrorIllegalAddress,
} cudaError_t;

enum cudaMemcpyKind { cudaMemcpyDefault };
enum cudaDeviceAttr { cudaDevAttrConcurrentManagedAccess };
enum cudaMemLocationType { cudaMemLocationTypeDevice = 1 };
enum { cudaStreamNonBlocking = 1 };
enum { cudaEventBlockingSync = 1, cudaEventDisableTiming = 2 };
enum { cudaHostAllocDefault = 0, cudaMemAttachGlobal = 1 };

struct cudaMemLocation {
	enum cudaMemLocationType type;
	int id;
};

typedef struct fake_stream *cudaStream_t;
typedef struct fake_event *cudaEvent_t;

const char *cudaGetErrorString(cudaError_t e);
cudaError_t cudaGetLastError(void);
cudaError_t cudaGetDeviceCount(int *n);
cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attr,
				   int device);
cudaError_t cudaMemGetInfo(size_t *left, size_t *total);
cudaError_t cudaMalloc(void **at, size_t n);
cudaError_t cudaMallocManaged(void **at, size_t n, unsigned flags);
cudaError_t cudaFree(void *at);
cudaError_t cudaHostAlloc(void **at, size_t n, unsigned flags);
cudaError_t cudaFreeHost(void *at);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned flags);
cudaError_t cudaStreamSynchronize(cudaStream_t s);
cudaError_t cudaStreamDestroy(cudaStream_t s);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned flags);
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s);
cudaError_t cudaEventSynchronize(cudaEvent_t e);
cudaError_t cudaEventDestroy(cudaEvent_t e);
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t n,
			    enum cudaMemcpyKind kind, cudaStream_t s);
cudaError_t cudaMemPrefetchAsync(const void *at, size_t n,
				 struct cudaMemLocation where, unsigned flags,
				 cudaStream_t s);

/* ---- what a test sets and looks at; under no lock, while nothing runs ---- */

struct fake_cuda {
	int devices;
	cudaError_t no_driver;          /* cudaGetDeviceCount() says so */
	size_t left;                    /* bytes of device memory */
	int concurrent;                 /* managed access */
	long fail_call;                 /* counted from 1; 0: none */
	cudaError_t fail_with;
	int sticky;                     /* so do all calls after it */
	long fail_op;                   /* of the streams, likewise; then the
					 * device is lost */
	int hold;                       /* streams do not run */

	long calls, ops;
	long live;                      /* everything that was not given
					 * back */
	long prefetched;                /* bytes */
	long copies;                    /* handed to a stream */
	long overlapped;                /* times that both streams ran */
};

extern struct fake_cuda fake_cuda;

/* As new: one device of 1 GiB. */
void fake_cuda_reset(void);

/* Sets hold, and wakes the streams. */
void fake_cuda_hold(int hold);

/* Copies handed to streams so far, of a runtime that runs. */
long fake_cuda_copies(void);

#endif
