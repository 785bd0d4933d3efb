/*
 * progress - how a run is getting on, in words
 */
#ifndef TRAIN_PROGRESS_H
#define TRAIN_PROGRESS_H

#include "train/trainer.h"

struct progress {
	double start;           /* os_seconds() */
	uint64_t step, tokens;  /* at the start */
};

/* Now is the start. */
void progress_start(struct progress *p, const struct trainer *t);

/* Adds what the same run may have otherwise: tokens_per_second, elapsed,
 * memory_bytes, threads, kernels; and with a base in pages page_loads,
 * page_read_bytes, page_written_bytes, page_stall_seconds, so far. E_NOMEM. */
int progress_log(const struct progress *p, const struct trainer *t,
		 json_t *line) MUST_CHECK;

double progress_tokens_per_second(const struct progress *p,
				  const struct trainer *t);

/* "step 12/200  loss 1.2345  168 tokens/s  0:12:34 left  0.9 GB" into buf. */
const char *progress_text(char *buf, size_t size, const struct progress *p,
			  const struct trainer *t);

/* The plan, a line for each number, into buf: "weights 139261952" ...,
 * seconds a step among them. */
const char *progress_plan(char *buf, size_t size, const struct trainer *t,
			  double seconds);

#endif
