/*
 * run_log - the log of a training run: JSON objects, a line each
 *
 * A run that goes on writes to the log of the one that it continues. What
 * that one wrote after the step that is gone back to is cut off first, so
 * that the log of a run is the same bytes however often it was stopped.
 */
#ifndef TRAIN_RUN_LOG_H
#define TRAIN_RUN_LOG_H

#include "base/json.h"

#include <stdint.h>

struct run_log {
	int fd;                 /* -1: there is none */
	const char *path;
};

/* Opens, or makes, the log at path (NULL: none) and keeps the lines up to
 * this step; 0 keeps nothing. E_CREATE, E_IO. */
int run_log_open(struct run_log *l, const char *path,
		 uint64_t step) MUST_CHECK;

/* Writes a line at once. E_IO. */
int run_log_line(struct run_log *l, json_t *line) MUST_CHECK;
int run_log_close(struct run_log *l) MUST_CHECK;

#endif
