/*
 * json_lines - a file of JSON objects, one a line
 */
#ifndef BASE_JSON_LINES_H
#define BASE_JSON_LINES_H

#include "base/io.h"
#include "base/json.h"

struct json_lines {
	struct io_out out;
	int on;                 /* there is a file */
};

/* path as io_out_open()'s. without: NULL is no file, and nothing is
 * written. */
int json_lines_open(struct json_lines *l, const char *path,
		    int without) MUST_CHECK;

/* ctx: a struct json_lines. o is borrowed. */
int json_lines_add(void *ctx, json_t *o) MUST_CHECK;

/* Publishes the file, or after an error does not; returns err, or its own. */
int json_lines_end(struct json_lines *l, int err) MUST_CHECK;

/* A file of one value, over several lines. */
int json_write(const char *path, json_t *o) MUST_CHECK;

#endif
