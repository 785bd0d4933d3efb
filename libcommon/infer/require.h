/*
 * require - 'loss<=1.2': is a result good enough?
 */
#ifndef INFER_REQUIRE_H
#define INFER_REQUIRE_H

#include "base/err.h"
#include "base/json.h"

/*
 * Checks text, a key, one of < <= > >= and a number, against a result as tasks
 * make it. A key is looked for at the top, then in every task's results, with
 * ",none" or without; "mc.acc" names the task. E_USAGE: not of this form; E_NO:
 * does not hold, or no such key.
 */
int require_check(json_t *result, const char *text) MUST_CHECK;

/* Only the form: before the work. */
int require_parse(const char *text) MUST_CHECK;

#endif
