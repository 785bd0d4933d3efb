/*
 * golden - reference numbers for tests: a case.json and .safetensors by name
 *
 * Cases lie in tests/golden, or under $GOLDEN when it is set (another set of
 * the same layout). Include it after <cmocka.h>. What is wrong with a file
 * fails the test; a case that is not there is skipped by name:
 *
 *     struct golden g;
 *
 *     golden_case(&g, "C/quant4/normal_bf16");  // or skip()
 *     const float *x = golden_f32(&g, "x", &n);
 *     int rank = json_integer_value(json_object_get(g.json, "r"));
 *     golden_close(&g);
 */
#ifndef UNIT_GOLDEN_H
#define UNIT_GOLDEN_H

#include "base/json.h"
#include "tensor/dtype.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GOLDEN_COPIES = 2048, GOLDEN_RANK = 8 };

struct golden {
	json_t *json;           /* case.json, or NULL */
	json_t *header;         /* of the .safetensors, or NULL */
	unsigned char *bytes;   /* the .safetensors, whole */
	size_t data, size;      /* where tensors begin; of bytes */
	void *copy[GOLDEN_COPIES]; /* freed by golden_close() */
	size_t ncopy;
};

/* "tests/golden/<path>" into buf of 512 bytes. */
static inline const char *golden_path(char *buf, const char *path)
{
	const char *root = getenv("GOLDEN");

	snprintf(buf, 512, "%s/%s", root ? root : "tests/golden", path);
	return buf;
}

/* A whole file with a 0 after it; NULL: not there. Free it. */
static inline unsigned char *golden_read(const char *path, size_t *size)
{
	FILE *f = fopen(path, "rb");
	unsigned char *text;
	long n;

	if (!f)
		return NULL;
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	n = ftell(f);
	assert_true(n >= 0);
	rewind(f);
	text = malloc((size_t)n + 1);
	assert_non_null(text);
	assert_int_equal(fread(text, 1, (size_t)n, f), n);
	fclose(f);
	text[n] = 0;
	*size = (size_t)n;
	return text;
}

/* Reads a .safetensors by its path under the root; 1: not there. */
static inline int golden_load(struct golden *g, const char *path)
{
	char buf[512];
	size_t n = 0;

	memset(g, 0, sizeof(*g));
	g->bytes = golden_read(golden_path(buf, path), &g->size);
	if (!g->bytes)
		return 1;
	assert_true(g->size >= 8);
	for (size_t i = 8; i-- > 0;)
		n = n << 8 | g->bytes[i];
	assert_true(n <= g->size - 8);
	g->header = json_loadb((char *)g->bytes + 8, n, 0, NULL);
	assert_non_null(g->header);
	json_object_del(g->header, "__metadata__");
	g->data = 8 + n;
	return 0;
}

/* Reads <dir>/case.json and, if it is there, case.safetensors; calls skip()
 * when there is no such case. */
static inline void golden_case(struct golden *g, const char *dir)
{
	char buf[512], path[400];
	size_t n = 0;
	unsigned char *text;

	snprintf(path, sizeof(path), "%s/case.safetensors", dir);
	golden_load(g, path);
	snprintf(path, sizeof(path), "%s/case.json", dir);
	text = golden_read(golden_path(buf, path), &n);
	if (!text) {
		print_message("no golden case %s\n", dir);
		skip();
	}
	g->json = json_loadb((char *)text, n, 0, NULL);
	assert_non_null(g->json);
	free(text);
}

static inline void golden_close(struct golden *g)
{
	json_decref(g->json);
	json_decref(g->header);
	free(g->bytes);
	while (g->ncopy)
		free(g->copy[--g->ncopy]);
	memset(g, 0, sizeof(*g));
}

static inline int golden_has(const struct golden *g, const char *name)
{
	return json_object_get(g->header, name) != NULL;
}

static inline enum dtype golden_dtype(const struct golden *g, const char *name)
{
	static const char names[][2][8] = {
		{ "F64", "f64" }, { "F32", "f32" }, { "F16", "f16" },
		{ "BF16", "bf16" }, { "I64", "i64" }, { "I32", "i32" },
		{ "I16", "i16" }, { "I8", "i8" }, { "U16", "u16" },
		{ "U32", "u32" }, { "U64", "u64" }, { "U8", "u8" },
		{ "BOOL", "bool" },
	};
	json_t *t = json_object_get(g->header, name);
	const char *d = json_string_value(json_object_get(t, "dtype"));

	for (size_t i = 0; d && i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(d, names[i][0]))
			return dtype_find(names[i][1]);
	return DTYPE_NONE;
}

/* The rank; shape may be NULL, else it has room for GOLDEN_RANK. */
static inline int golden_shape(const struct golden *g, const char *name,
			       size_t *shape)
{
	json_t *s = json_object_get(json_object_get(g->header, name), "shape");
	size_t n = json_array_size(s);

	assert_true(n <= GOLDEN_RANK);
	for (size_t i = 0; shape && i < n; i++)
		shape[i] = (size_t)json_integer_value(json_array_get(s, i));
	return (int)n;
}

static inline size_t golden_count(const struct golden *g, const char *name)
{
	size_t shape[GOLDEN_RANK], n = 1;
	int rank = golden_shape(g, name, shape);

	for (int i = 0; i < rank; i++)
		n *= shape[i];
	return n;
}

static inline void *golden_keep(struct golden *g, size_t bytes)
{
	void *p = aligned_alloc(64, (bytes + 64) & ~(size_t)63);

	assert_non_null(p);
	assert_true(g->ncopy < GOLDEN_COPIES);
	return g->copy[g->ncopy++] = p;
}

/* The stored bytes, aligned; fails the test when there is none. */
static inline const void *golden_raw(struct golden *g, const char *name,
				     size_t *bytes)
{
	json_t *t = json_object_get(g->header, name);
	json_t *at = json_object_get(t, "data_offsets");
	size_t begin, end;
	void *copy;

	if (!at)
		fail_msg("no tensor %s", name);
	begin = (size_t)json_integer_value(json_array_get(at, 0));
	end = (size_t)json_integer_value(json_array_get(at, 1));
	assert_true(begin <= end && end <= g->size - g->data);
	copy = golden_keep(g, end - begin);
	memcpy(copy, g->bytes + g->data + begin, end - begin);
	if (bytes)
		*bytes = end - begin;
	return copy;
}

/* The values of a float tensor as f32; n may be NULL. */
static inline float *golden_f32(struct golden *g, const char *name, size_t *n)
{
	size_t count = golden_count(g, name);
	const void *raw = golden_raw(g, name, NULL);
	float *x = golden_keep(g, count * sizeof(float));

	if (dtype_to_f32(x, golden_dtype(g, name), raw, count))
		fail_msg("%s is not float", name);
	if (n)
		*n = count;
	return x;
}

/* The values of an i64 tensor. */
static inline const int64_t *golden_i64(struct golden *g, const char *name,
					size_t *n)
{
	if (golden_dtype(g, name) != DTYPE_I64)
		fail_msg("%s is not i64", name);
	if (n)
		*n = golden_count(g, name);
	return golden_raw(g, name, NULL);
}

/*
 * The largest difference that a test found, and what it may be. Fails the test
 * above the tolerance; with $PARITY set, adds a row to that file, from which
 * make parity writes docs/parity.md.
 */
static inline void golden_report(const char *name, const char *what,
				 double difference, double tolerance)
{
	const char *path = getenv("PARITY");
	FILE *f = path && *path ? fopen(path, "a") : NULL;

	if (f) {
		fprintf(f, "%s\t%s\t%.3g\t%.3g\n", name, what, difference,
			tolerance);
		fclose(f);
	}
	if (!(difference <= tolerance))
		fail_msg("%s: %s: difference %g, tolerance %g", name, what,
			 difference, tolerance);
}

#endif
