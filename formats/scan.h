/*
 * scan - JSON read token by token, for headers whose shape is known
 *
 * No tree, no recursion, no memory of its own: strings are unescaped into
 * text, which must have as many bytes as the JSON has.
 */
#ifndef FORMATS_SCAN_H
#define FORMATS_SCAN_H

#include "base/err.h"

#include <stddef.h>

struct scan {
	const unsigned char *start, *at, *end;
	char *text;             /* where the next string goes */
};

/* E_DATA: "header byte 17: what". */
int scan_bad(const struct scan *s, const char *what);

void scan_space(struct scan *s);

/* The next byte that is no space, left where it is; 0 at the end. */
int scan_next(struct scan *s);

/* Takes that byte; E_DATA: it is another. */
int scan_want(struct scan *s, int c) MUST_CHECK;

/* A string: strict UTF-8, no zero byte, ended with 0 in text. */
int scan_string(struct scan *s, const char **text) MUST_CHECK;

/* [1, 2, 3]: whole numbers, at most most of them. */
int scan_numbers(struct scan *s, size_t *v, int most, int *n) MUST_CHECK;

#endif
