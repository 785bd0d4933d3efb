/* safe - a stranger's text: a terminal obeys control bytes, so they are spelled
 * out, as \x1b */
#ifndef BASE_SAFE_H
#define BASE_SAFE_H

#include <stddef.h>
#include <stdio.h>

/* n bytes of text; control bytes that stand in keep ("\n") go as they are. */
void safe_print(FILE *to, const char *text, size_t n, const char *keep);

/* Into buf of size bytes, cut where it does not fit. */
void safe_copy(char *buf, size_t size, const char *text);

#endif
