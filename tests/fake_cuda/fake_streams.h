/* The stand-in's streams and events: a part of fake_cuda.h. */
#ifndef TESTS_FAKE_STREAMS_H
#define TESTS_FAKE_STREAMS_H

static void fake_run(struct fake_op *op)
{
	int device;

	if (op->event) {
		op->event->passed++;
	} else if (op->to) {
		char *to = fake_find(op->to, op->n, &device);
		char *from = fake_find(op->from, op->n, &device);

		pthread_mutex_unlock(&fake_lock);
		memcpy(to, from, op->n);
		pthread_mutex_lock(&fake_lock);
	}
}

static void *fake_work(void *arg)
{
	struct fake_stream *s = arg;
	struct fake_op *op;

	pthread_mutex_lock(&fake_lock);
	for (;;) {
		while (!s->stop && (!s->first || fake_cuda.hold))
			pthread_cond_wait(&fake_wake, &fake_lock);
		if (!s->first)
			break;
		op = s->first;
		s->first = op->next;
		s->busy = 1;
		fake_cuda.overlapped += fake_running++ > 0;
		if (++fake_cuda.ops == fake_cuda.fail_op)
			fake_lost = cudaErrorIllegalAddress;
		if (!fake_lost)
			fake_run(op);
		free(op);
		s->busy = 0;
		fake_running--;
		fake_pending--;
		pthread_cond_broadcast(&fake_wake);
	}
	pthread_mutex_unlock(&fake_lock);
	return NULL;
}

static void fake_queue(struct fake_stream *s, const struct fake_op *as)
{
	struct fake_op *op = malloc(sizeof(*op));

	*op = *as;
	op->next = NULL;
	if (s->first)
		s->last->next = op;
	else
		s->first = op;
	s->last = op;
	fake_pending++;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *to, unsigned flags)
{
	cudaError_t e = fake_begin();
	struct fake_stream *s;

	*to = NULL;
	if (e || flags != cudaStreamNonBlocking)
		return fake_end(e);
	s = calloc(1, sizeof(*s));
	pthread_create(&s->thread, NULL, fake_work, s);
	fake_cuda.live++;
	*to = s;
	return fake_end(e);
}

cudaError_t cudaStreamSynchronize(cudaStream_t s)
{
	cudaError_t e = fake_begin();

	while (!e && !fake_lost && (s->first || s->busy))
		pthread_cond_wait(&fake_wake, &fake_lock);
	return fake_end(e ? e : fake_lost);
}

cudaError_t cudaStreamDestroy(cudaStream_t s)
{
	cudaError_t e = fake_begin();

	s->stop = 1;
	fake_cuda.live--;
	fake_end(e);
	pthread_join(s->thread, NULL);
	free(s);
	return e;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *to, unsigned flags)
{
	cudaError_t e = fake_begin();

	(void)flags;
	*to = e ? NULL : calloc(1, sizeof(**to));
	fake_cuda.live += !e;
	return fake_end(e);
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t s)
{
	cudaError_t e = fake_begin();

	if (!e) {
		event->recorded++;
		fake_queue(s, &(struct fake_op){ .event = event });
	}
	return fake_end(e);
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
	cudaError_t e = fake_begin();

	while (!e && !fake_lost && event->passed < event->recorded)
		pthread_cond_wait(&fake_wake, &fake_lock);
	return fake_end(e ? e : fake_lost);
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
	cudaError_t e = fake_begin();

	fake_cuda.live--;
	free(event);
	return fake_end(e);
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t n,
			    enum cudaMemcpyKind kind, cudaStream_t s)
{
	cudaError_t e = fake_begin();
	int up, down;

	(void)kind;
	fake_find(to, n, &up);
	fake_find(from, n, &down);
	if (up == down)
		fake_wrong("a copy that is not between host and device");
	if (!e) {
		fake_cuda.copies++;
		fake_queue(s, &(struct fake_op){ .to = to, .from = from,
						 .n = n });
	}
	return fake_end(e);
}

cudaError_t cudaMemPrefetchAsync(const void *at, size_t n,
				 struct cudaMemLocation where, unsigned flags,
				 cudaStream_t s)
{
	cudaError_t e = fake_begin();
	int device;

	fake_find(at, n, &device);
	if (!device || where.type != cudaMemLocationTypeDevice || where.id ||
	    flags)
		fake_wrong("a prefetch of something else");
	if (!e) {
		fake_cuda.prefetched += (long)n;
		fake_queue(s, &(struct fake_op){ .n = n });
	}
	return fake_end(e);
}

#endif
