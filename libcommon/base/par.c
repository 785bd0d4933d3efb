#include "base/par.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

/*
 * Workers spin for a moment after a job, since a step is thousands of jobs of
 * a fraction of a millisecond, and then sleep on a condition: an idle pool
 * costs nothing, and beside another program's pool it does no harm.
 */
enum { SPIN = 4000 };

struct pool {
	size_t lanes;
	pthread_t *thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	atomic_size_t next, running;
	atomic_uint job;        /* counts up by one for each job */
	atomic_int stop;
	size_t ntask;
	pool_fn *fn;
	void *ctx;
};

struct start {
	struct pool *pool;
	size_t lane;
};

static void take_tasks(struct pool *p, size_t lane)
{
	size_t task;

	while ((task = atomic_fetch_add(&p->next, 1)) < p->ntask)
		p->fn(p->ctx, task, lane);
}

static void relax(int turn)
{
	if (turn % 64 == 63)
		sched_yield();
#if defined(__x86_64__)
	else
		__builtin_ia32_pause();
#endif
}

static void wait_for_job(struct pool *p, unsigned seen)
{
	for (int i = 0; i < SPIN; i++) {
		if (atomic_load(&p->job) != seen || atomic_load(&p->stop))
			return;
		relax(i);
	}
	pthread_mutex_lock(&p->lock);
	while (atomic_load(&p->job) == seen && !atomic_load(&p->stop))
		pthread_cond_wait(&p->wake, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

static void *worker(void *arg)
{
	struct start s = *(struct start *)arg;
	struct pool *p = s.pool;
	unsigned seen = 0;

	free(arg);
	for (;;) {
		wait_for_job(p, seen);
		if (atomic_load(&p->stop))
			return NULL;
		seen++;
		take_tasks(p, s.lane);
		atomic_fetch_sub(&p->running, 1);
	}
}

static int start_worker(struct pool *p, size_t lane)
{
	struct start *s = malloc(sizeof(*s));

	if (!s)
		return E_NOMEM;
	*s = (struct start){ p, lane };
	if (pthread_create(&p->thread[lane], NULL, worker, s)) {
		free(s);
		return E_NOMEM;
	}
	return 0;
}

int pool_new(struct pool **pool, size_t lanes)
{
	struct pool *p = calloc(1, sizeof(*p));

	*pool = NULL;
	if (!p || !(p->thread = calloc(lanes, sizeof(*p->thread)))) {
		free(p);
		return err_set(E_NOMEM, "out of memory");
	}
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	for (p->lanes = 1; p->lanes < lanes; p->lanes++)
		if (start_worker(p, p->lanes)) {
			pool_free(p);
			return err_set(E_NOMEM, "cannot start %zu threads",
				       lanes);
		}
	*pool = p;
	return 0;
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	atomic_store(&p->stop, 1);
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
	for (size_t i = 1; i < p->lanes; i++)
		pthread_join(p->thread[i], NULL);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	free(p->thread);
	free(p);
}

size_t pool_lanes(const struct pool *p)
{
	return p ? p->lanes : 1;
}

void pool_run(struct pool *p, size_t ntask, pool_fn *fn, void *ctx)
{
	if (!p || p->lanes == 1 || ntask < 2) {
		for (size_t i = 0; i < ntask; i++)
			fn(ctx, i, 0);
		return;
	}
	p->ntask = ntask;
	p->fn = fn;
	p->ctx = ctx;
	atomic_store(&p->next, 0);
	atomic_store(&p->running, p->lanes - 1);
	pthread_mutex_lock(&p->lock);
	atomic_fetch_add(&p->job, 1);
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
	take_tasks(p, 0);
	for (int i = 0; atomic_load(&p->running); i++)
		relax(i);
}
