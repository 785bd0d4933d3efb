/*
 * err - one status for every function that can fail
 *
 * A fallible function returns int: 0, or one of these codes, which are the
 * programs' exit statuses too (after sysexits). The message is written once,
 * where the fault is found, with err_set(); callers above add where they were
 * with err_at(). Nobody below tools/ prints or exits.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err {
	E_NO      = 1,  /* the answer is no: st-check, st-diff, --require */
	E_USAGE   = 64, /* unknown option, bad value */
	E_DATA    = 65, /* input that is corrupt, cut short or unfit */
	E_NOINPUT = 66, /* input that is not there */
	E_UNAVAIL = 69, /* no such device or service */
	E_BUG     = 70, /* ours, and impossible */
	E_NOMEM   = 71, /* the plan does not fit the memory */
	E_CREATE  = 73, /* output that cannot be created */
	E_IO      = 74, /* read or write failed */
	E_AGAIN   = 75, /* stopped, checkpoint written: run again */
	E_CONFIG  = 78, /* options, config or checkpoint that disagree */
};

#define MUST_CHECK __attribute__((warn_unused_result))

#define TRY(expr)                       \
	do {                            \
		int try_ = (expr);      \
		if (try_)               \
			return try_;    \
	} while (0)

/* Records the calling thread's message and returns code. */
int err_set(int code, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* As err_set() with ": " and strerror(errno) after it. */
int err_errno(int code, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Puts "what: " before the message, so that it reads from the outside in,
 * unless it begins so; returns code, so that it can stand in a return. */
int err_at(int code, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The calling thread's last message: one line, control bytes escaped; valid
 * until its next err_ call. */
const char *err_text(void);

#endif
