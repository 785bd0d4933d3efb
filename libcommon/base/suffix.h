/*
 * suffix - how names end: "model.norm.weight", "q_proj.lora_A"
 */
#ifndef BASE_SUFFIX_H
#define BASE_SUFFIX_H

#include <stddef.h>
#include <string.h>

static inline int suffix_is(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n >= m && !strcmp(name + n - m, end);
}

/* Bytes of name before end; 0: it does not end so, or is nothing else. */
static inline size_t suffix_stem(const char *name, const char *end)
{
	return suffix_is(name, end) ? strlen(name) - strlen(end) : 0;
}

/* Is name equal to part, or does it end with "." and part? */
static inline int suffix_is_part(const char *name, const char *part)
{
	size_t n = strlen(name), m = strlen(part);

	return suffix_is(name, part) && (m == n || name[n - m - 1] == '.');
}

/* Cuts end off name; 0: it does not end so, or is nothing else. */
static inline int suffix_cut(char *name, const char *end)
{
	size_t n = suffix_stem(name, end);

	if (n)
		name[n] = 0;
	return n > 0;
}

#endif
