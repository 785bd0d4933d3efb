/*
 * dtype - the element types that streams and checkpoints hold
 */
#ifndef TENSOR_DTYPE_H
#define TENSOR_DTYPE_H

#include <stddef.h>

enum dtype {
	DTYPE_NONE,
	DTYPE_F64, DTYPE_F32, DTYPE_F16, DTYPE_BF16,
	DTYPE_I64, DTYPE_I32, DTYPE_I16, DTYPE_I8,
	DTYPE_U64, DTYPE_U32, DTYPE_U16, DTYPE_U8,
	DTYPE_U4, DTYPE_U3, DTYPE_U2, /* codes, packed; only inside a weight */
	DTYPE_BOOL,
	DTYPE_COUNT
};

const char *dtype_name(enum dtype d);           /* "bf16" */
enum dtype dtype_find(const char *name);        /* DTYPE_NONE: no such */
size_t dtype_bits(enum dtype d);                /* 16 */
int dtype_is_float(enum dtype d);

/* Bytes of n elements, packed; 1: too many. */
int dtype_bytes(size_t *bytes, enum dtype d, size_t n);

/* n elements of a float type (f64, f32, f16, bf16) to f32; dst and src do not
 * overlap unless both are f32. Returns 1 for a type that is not float. */
int dtype_to_f32(float *dst, enum dtype d, const void *src, size_t n);

/* f32 to a float type, rounded to nearest, ties to even. */
int dtype_from_f32(void *dst, enum dtype d, const float *src, size_t n);

#endif
