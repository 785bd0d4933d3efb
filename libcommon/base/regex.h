/*
 * regex - PCRE2's door: patterns over UTF-8 text, Unicode classes, JIT
 *
 * What a text matches depends on it and the pattern alone. A pattern comes
 * from a user or a file: its work is bounded, and a match that needs more
 * than that is an error, not an endless wait.
 */
#ifndef BASE_REGEX_H
#define BASE_REGEX_H

#include "base/err.h"

#include <stddef.h>

struct regex;

/* size bytes of pattern. code is what a bad pattern is worth (E_USAGE from an
 * option, E_CONFIG, E_DATA from a file); the message has the offset. */
int regex_new(struct regex **re, const char *pattern, size_t size,
	      int code) MUST_CHECK;
void regex_free(struct regex *re);      /* NULL is fine */

/* *yes: does all of text match (Python's re.fullmatch)? */
int regex_full(struct regex *re, const char *text, size_t size,
	       int *yes) MUST_CHECK;

/*
 * The first match at or after byte from, which must begin a character. text is
 * valid UTF-8; from > size and invalid text find nothing. What stands before
 * from is seen by lookbehind. *found 0: there is none. A match may be empty.
 * E_DATA: the pattern needs too much work on this text. Not for two threads at
 * once.
 */
int regex_search(struct regex *re, const char *text, size_t size, size_t from,
		 int *found, size_t *start, size_t *end) MUST_CHECK;

/* Of the match that was found last: the part that group i (1 is the first; 0
 * the whole) took, *took 0: none. regex_groups(): how many there are. */
size_t regex_groups(const struct regex *re);
void regex_group(const struct regex *re, size_t i, int *took, size_t *start,
		 size_t *end);

/* As regex_search() without checking that text is UTF-8, which is undefined
 * behaviour if it is not: for a caller who searches the same text often. */
int regex_search_valid(struct regex *re, const char *text, size_t size,
		       size_t from, int *found, size_t *start,
		       size_t *end) MUST_CHECK;

#endif
