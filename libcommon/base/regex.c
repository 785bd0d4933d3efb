#include "base/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

enum {
	STACK_LEAST = 32 * 1024, STACK_MOST = 4 * 1024 * 1024,
	MATCH_LIMIT = 20 * 1000 * 1000, /* steps of a match without JIT */
	HEAP_LIMIT = 64 * 1024,         /* KiB */
};

struct regex {
	pcre2_code *code, *whole;       /* whole: anchored at both ends */
	pcre2_match_data *data;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
};

static int compile(pcre2_code **code, const char *pattern, size_t size,
		   uint32_t flags, int fault)
{
	int number;
	PCRE2_SIZE at;
	PCRE2_UCHAR what[256];

	*code = pcre2_compile((PCRE2_SPTR)pattern, size,
			      PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C |
			      flags, &number, &at, NULL);
	if (!*code) {
		pcre2_get_error_message(number, what, sizeof(what));
		return err_set(fault, "pattern '%.*s', at byte %zu: %s",
			       size < 200 ? (int)size : 200, pattern,
			       (size_t)at, (char *)what);
	}
	/* Without JIT the interpreter does it, with the same result. */
	(void)pcre2_jit_compile(*code, PCRE2_JIT_COMPLETE);
	return 0;
}

int regex_new(struct regex **out, const char *pattern, size_t size, int code)
{
	struct regex *re = calloc(1, sizeof(*re));
	int err;

	*out = NULL;
	if (!re)
		return err_set(E_NOMEM, "no memory for a pattern");
	err = compile(&re->code, pattern, size, 0, code);
	if (!err)
		err = compile(&re->whole, pattern, size,
			      PCRE2_ANCHORED | PCRE2_ENDANCHORED, code);
	if (err)
		goto out;
	re->data = pcre2_match_data_create_from_pattern(re->code, NULL);
	re->context = pcre2_match_context_create(NULL);
	re->stack = pcre2_jit_stack_create(STACK_LEAST, STACK_MOST, NULL);
	if (!re->data || !re->context || !re->stack) {
		err = err_set(E_NOMEM, "no memory for a pattern");
		goto out;
	}
	pcre2_set_match_limit(re->context, MATCH_LIMIT);
	pcre2_set_heap_limit(re->context, HEAP_LIMIT);
	pcre2_jit_stack_assign(re->context, NULL, re->stack);
	*out = re;
	return 0;
out:
	regex_free(re);
	return err;
}

void regex_free(struct regex *re)
{
	if (!re)
		return;
	pcre2_jit_stack_free(re->stack);
	pcre2_match_context_free(re->context);
	pcre2_match_data_free(re->data);
	pcre2_code_free(re->whole);
	pcre2_code_free(re->code);
	free(re);
}

/* *found and the place in re->data. */
static int match(struct regex *re, pcre2_code *code, const char *text,
		 size_t size, size_t from, uint32_t flags, int *found)
{
	PCRE2_UCHAR what[256];
	int got = pcre2_match(code, (PCRE2_SPTR)text, size, from, flags,
			      re->data, re->context);

	*found = got > 0;
	if (got >= 0 || got == PCRE2_ERROR_NOMATCH ||
	    (got <= PCRE2_ERROR_UTF8_ERR1 && got >= PCRE2_ERROR_UTF8_ERR21) ||
	    got == PCRE2_ERROR_BADUTFOFFSET || got == PCRE2_ERROR_BADOFFSET)
		return 0;
	if (got == PCRE2_ERROR_NOMEMORY)
		return err_set(E_NOMEM, "no memory to match a pattern");
	pcre2_get_error_message(got, what, sizeof(what));
	return err_set(E_DATA, "a pattern on a text of %zu bytes: %s", size,
		       (char *)what);
}

int regex_full(struct regex *re, const char *text, size_t size, int *yes)
{
	return match(re, re->whole, text, size, 0, 0, yes);
}

static int search(struct regex *re, const char *text, size_t size, size_t from,
		  uint32_t flags, int *found, size_t *start, size_t *end)
{
	PCRE2_SIZE *at;

	*found = 0;
	if (from > size)
		return 0;
	TRY(match(re, re->code, text, size, from, flags, found));
	at = pcre2_get_ovector_pointer(re->data);
	/* \K in a lookaround can end a match before it starts. */
	if (*found && (at[0] > at[1] || at[0] < from))
		return err_set(E_DATA, "a pattern matches backwards");
	if (*found) {
		*start = at[0];
		*end = at[1];
	}
	return 0;
}

int regex_search(struct regex *re, const char *text, size_t size, size_t from,
		 int *found, size_t *start, size_t *end)
{
	return search(re, text, size, from, 0, found, start, end);
}

size_t regex_groups(const struct regex *re)
{
	uint32_t n = 0;

	(void)pcre2_pattern_info(re->code, PCRE2_INFO_CAPTURECOUNT, &n);
	return n;
}

void regex_group(const struct regex *re, size_t i, int *took, size_t *start,
		 size_t *end)
{
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(re->data);

	*took = i < pcre2_get_ovector_count(re->data) &&
		at[2 * i] != PCRE2_UNSET && at[2 * i] <= at[2 * i + 1];
	*start = *took ? at[2 * i] : 0;
	*end = *took ? at[2 * i + 1] : 0;
}

int regex_search_valid(struct regex *re, const char *text, size_t size,
		       size_t from, int *found, size_t *start, size_t *end)
{
	return search(re, text, size, from, PCRE2_NO_UTF_CHECK, found, start,
		      end);
}
