/*
 * msg - msgpack's door: the headers of records
 *
 * The profile is narrow, so that a value has one form only and nothing can
 * surprise: nil, bool, integers in their shortest form, float64, str (UTF-8
 * without NUL), bin, arrays and maps of fewer than 65536 entries, maps with
 * str keys in strictly ascending byte order, MSG_DEPTH deep. msg_parse() walks
 * the bytes before msgpack-c sees them, which allocates what a count claims.
 */
#ifndef FORMATS_MSG_H
#define FORMATS_MSG_H

#include "base/err.h"
#include "base/json.h"

#include <stddef.h>
#include <stdint.h>

enum { MSG_DEPTH = 16 };

/* ---- reading ---- */

struct msg;             /* a parsed header */
struct msg_value;       /* a value in it; lives as long */

/* One map and nothing after it; at stays in use until msg_free(). E_DATA,
 * E_NOMEM. */
int msg_parse(struct msg **m, const void *at, size_t n) MUST_CHECK;
void msg_free(struct msg *m);   /* NULL is fine */
const struct msg_value *msg_root(const struct msg *m);

/* The value of a key; NULL: not there, or v is NULL or no map. */
const struct msg_value *msg_find(const struct msg_value *v, const char *key);

/* Entries of an array, 0 if v is none; its value i < count. */
size_t msg_count(const struct msg_value *v);
const struct msg_value *msg_at(const struct msg_value *v, size_t i);

/* Each returns 1 when v is NULL or of another type. */
int msg_size(const struct msg_value *v, size_t *n);
int msg_u64(const struct msg_value *v, uint64_t *n);
int msg_real(const struct msg_value *v, double *x);
int msg_bin(const struct msg_value *v, const void **at, size_t *n);
int msg_text(const struct msg_value *v, char *buf, size_t room);
int msg_is(const struct msg_value *v, const char *text);

/* E_DATA for bin, integers of 2^63 and more, and numbers not finite. */
int msg_to_json(json_t **j, const struct msg_value *v) MUST_CHECK;

/* ---- writing ---- */

struct msg_out {
	char *at;
	size_t n, room;
	int err;                /* the first failure; see msg_done() */
};

void msg_begin(struct msg_out *o);      /* forgets what it holds */
void msg_put_map(struct msg_out *o, size_t n);  /* n keys and values follow */
void msg_put_array(struct msg_out *o, size_t n);
void msg_put_text(struct msg_out *o, const char *text);
void msg_put_u64(struct msg_out *o, uint64_t n);
void msg_put_real(struct msg_out *o, double x);
void msg_put_bin(struct msg_out *o, const void *at, size_t n);
void msg_put_json(struct msg_out *o, json_t *j);        /* keys sorted */

/* 0 if all was put, and is what msg_parse() accepts. E_NOMEM, E_DATA. */
int msg_done(struct msg_out *o) MUST_CHECK;
void msg_release(struct msg_out *o);    /* safe on a zeroed struct */

#endif
