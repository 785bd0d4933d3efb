/*
 * progress - how a run is getting on, in words
 */
#ifndef TRAIN_PROGRESS_H
#define TRAIN_PROGRESS_H

#include "train/trainer.h"

struct progress {
	double start, cpu;      /* os_seconds(), os_cpu_seconds() */
	uint64_t step, tokens;  /* at the start */

	/* What the process has that is not planned: data of the program and
	 * its libraries, with what reading left in the heap; threads' stacks,
	 * as far as touched. */
	uint64_t libraries, stacks;
};

/* Makes the pool that a run uses (threads 0: as many as there are processors)
 * before anything is read, and measures what is there. E_NOMEM. */
int progress_pool(struct progress *p, struct pool **pool,
		  size_t threads) MUST_CHECK;

/* Now is the start. */
void progress_start(struct progress *p, const struct trainer *t);

/* Adds what the same run may have otherwise: tokens_per_second, elapsed,
 * cpu_seconds, memory_bytes, threads, kernels; and with a base in pages
 * page_loads, page_read_bytes, page_written_bytes, page_stall_seconds, so far.
 * E_NOMEM. */
int progress_log(const struct progress *p, const struct trainer *t,
		 json_t *line) MUST_CHECK;

double progress_tokens_per_second(const struct progress *p,
				  const struct trainer *t);

/* "step 12/200  loss 1.2345  168 tokens/s  0:12:34 left  0.9 GB" into buf. */
const char *progress_text(char *buf, size_t size, const struct progress *p,
			  const struct trainer *t);

/*
 * The plan, a line for each number, into buf: "weights 139261952 bytes" ...,
 * seconds a step among them. total is the sum of the classes before it, which
 * the run stays within and -m bounds. What the process has besides are classes
 * of their own, after it, measured now, before trainer_start(): libraries,
 * stacks, and mapped, which is resident pages of files: code, that goes when
 * memory is short.
 */
const char *progress_plan(char *buf, size_t size, struct progress *p,
			  const struct trainer *t, double seconds);

#endif
