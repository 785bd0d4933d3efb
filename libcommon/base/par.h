/*
 * par - a pool of threads, and work cut by shape
 *
 * A job is ntask tasks, numbered; threads take them off a counter. What a task
 * is depends on the shapes alone, never on the number of threads, and a task
 * writes only what is its own: so results are the same bytes for any -j.
 * The calling thread works too, as lane 0.
 */
#ifndef BASE_PAR_H
#define BASE_PAR_H

#include "base/err.h"

#include <stddef.h>

struct pool;

/* lane: which thread runs the task, 0 <= lane < pool_lanes(), for scratch. */
typedef void pool_fn(void *ctx, size_t task, size_t lane);

/* lanes >= 1; 1 makes no thread. E_NOMEM. Free with pool_free(). */
int pool_new(struct pool **pool, size_t lanes) MUST_CHECK;
void pool_free(struct pool *pool);

/* NULL is a pool of one lane. */
size_t pool_lanes(const struct pool *pool);

/* Runs fn for every task and returns when all are done. Not reentrant: fn
 * may not call it with the same pool. */
void pool_run(struct pool *pool, size_t ntask, pool_fn *fn, void *ctx);

#endif
