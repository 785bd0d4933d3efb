/* What tests of devices share: waiting for copies, and bytes that tell. */
#ifndef TESTS_UNIT_DEVICES_H
#define TESTS_UNIT_DEVICES_H

#include <pthread.h>
#include <string.h>

#include "base/rng.h"
#include "device/device.h"

/* Counts the copies that have ended. */
struct ended {
	pthread_mutex_t lock;
	pthread_cond_t more;
	size_t n, failed;
	int err;                /* the last that is not 0 */
};

#define ENDED { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0 }

static inline void end_one(void *ctx, int err)
{
	struct ended *e = ctx;

	pthread_mutex_lock(&e->lock);
	e->n++;
	if (err) {
		e->failed++;
		e->err = err;
	}
	pthread_cond_broadcast(&e->more);
	pthread_mutex_unlock(&e->lock);
}

/* Waits until n have ended, and gives the last error and forgets all. */
static inline int await(struct ended *e, size_t n)
{
	int err;

	pthread_mutex_lock(&e->lock);
	while (e->n < n)
		pthread_cond_wait(&e->more, &e->lock);
	err = e->err;
	e->n = e->failed = 0;
	e->err = 0;
	pthread_mutex_unlock(&e->lock);
	return err;
}

/* Bytes that depend on the seed and on their place. */
static inline void fill(void *at, size_t n, uint64_t seed)
{
	struct rng r = rng_of(seed, "fill");
	uint32_t word[4];

	for (size_t i = 0; i < n; i += sizeof(word)) {
		rng_words(r, i, word);
		memcpy((char *)at + i, word,
		       n - i < sizeof(word) ? n - i : sizeof(word));
	}
}

#endif
