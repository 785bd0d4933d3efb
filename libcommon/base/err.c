#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/safe.h"

static _Thread_local char text[1024];

static void set(const char *before, const char *after)
{
	char whole[2 * sizeof(text)];

	snprintf(whole, sizeof(whole), "%s%s%s", before,
		 *before && *after ? ": " : "", after);
	safe_copy(text, sizeof(text), whole);
}

int err_set(int code, const char *fmt, ...)
{
	char what[sizeof(text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	set(what, "");
	return code;
}

int err_errno(int code, const char *fmt, ...)
{
	int saved = errno;
	char what[sizeof(text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	set(what, strerror(saved));
	return code;
}

/* Does the message begin with that place already? */
static int is_said(const char *where)
{
	size_t n = strlen(where);

	return !strncmp(text, where, n) && text[n] == ':';
}

int err_at(int code, const char *fmt, ...)
{
	char said[sizeof(text)], where[sizeof(text)], what[sizeof(text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(said, sizeof(said), fmt, ap);
	va_end(ap);
	safe_copy(where, sizeof(where), said);
	memcpy(what, text, sizeof(what));
	if (!is_said(where))
		set(where, what);
	return code;
}

const char *err_text(void)
{
	return text;
}
