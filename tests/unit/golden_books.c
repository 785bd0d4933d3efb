/* golden_books - codes of 8 bits by the dynamic maps as bitsandbytes has them
 * (golden C/blockwise8), and FP4's codes decoded (C/quant4/boundary_fp4) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/size.h"
#include "golden.h"
#include "kernel/dyn8.h"

#include <math.h>

struct blocks {
	struct golden g;
	const char *name;
	float *x;
	size_t n;
	uint8_t *code;
	float *scale;
};

/* Bytes of the golden tensor that differ. */
static size_t differ(struct blocks *b, const char *name, const void *got)
{
	size_t bytes, count = 0;
	const unsigned char *want = golden_raw(&b->g, name, &bytes);

	for (size_t i = 0; i < bytes; i++)
		count += want[i] != ((const unsigned char *)got)[i];
	return count;
}

static void report(const struct blocks *b, const char *key, const char *what,
		   size_t count)
{
	char text[64];

	snprintf(text, sizeof(text), "%s %s: bytes that differ", key, what);
	golden_report(b->name, text, (double)count, 0);
}

/* What codes and scales stand for. */
static size_t wrong_values(struct blocks *b, const char *name, size_t block,
			   const float *book)
{
	enum dtype d = golden_dtype(&b->g, name);
	const float *want = golden_f32(&b->g, name, NULL);
	size_t count = 0;

	for (size_t i = 0; i < b->n; i++) {
		float v = book[b->code[i]] * b->scale[i / block];
		char raw[8];

		dtype_from_f32(raw, d, &v, 1);
		dtype_to_f32(&v, d, raw, 1);
		count += memcmp(&v, &want[i], sizeof(v)) != 0;
	}
	return count;
}

static void check_map(struct blocks *b, const char *map, const float *book,
		      const float *x, size_t block)
{
	char key[32], name[64];

	snprintf(key, sizeof(key), "%s.b%zu", map, block);
	dyn8_encode(b->code, b->scale, x, b->n, block, book, DYN8_CPU);
	snprintf(name, sizeof(name), "%s.q", key);
	report(b, key, "codes", differ(b, name, b->code));
	snprintf(name, sizeof(name), "%s.absmax", key);
	report(b, key, "scales", differ(b, name, b->scale));
	snprintf(name, sizeof(name), "%s.dq", key);
	report(b, key, "values", wrong_values(b, name, block, book));
	dyn8_encode(b->code, b->scale, x, b->n, block, book, DYN8_NEAREST);
	snprintf(name, sizeof(name), "cuda.%s.q", key);
	if (golden_has(&b->g, name))
		report(b, key, "codes in CUDA", differ(b, name, b->code));
}

static void blocks_of_8_bits(void **state)
{
	static const size_t size[] = { 64, 256, 4096 };
	struct blocks b = { .name = *state };
	float *positive;

	golden_case(&b.g, b.name);
	b.x = golden_f32(&b.g, "x", &b.n);
	b.code = golden_keep(&b.g, b.n);
	b.scale = golden_keep(&b.g, b.n * sizeof(float));
	positive = golden_keep(&b.g, b.n * sizeof(float));
	for (size_t i = 0; i < b.n; i++)
		positive[i] = fabsf(b.x[i]);
	for (size_t i = 0; i < NELEM(size); i++) {
		check_map(&b, "signed", dyn8_book, b.x, size[i]);
		check_map(&b, "unsigned", dyn8_unsigned, positive, size[i]);
	}
	golden_close(&b.g);
}

/* We make no FP4, so its thresholds are nobody's here; its codes are read. */
static void fp4_decodes(void **state)
{
	struct golden g;
	const uint8_t *q;
	const float *scale, *want;
	size_t n, wrong = 0;

	(void)state;
	golden_case(&g, "C/quant4/boundary_fp4");
	q = golden_raw(&g, "fp4.b64.q", NULL);
	scale = golden_f32(&g, "fp4.b64.absmax", NULL);
	want = golden_f32(&g, "fp4.b64.dq", &n);
	for (size_t i = 0; i < n; i++) {
		unsigned code = i % 2 ? q[i / 2] & 15 : q[i / 2] >> 4;
		float v = fp4_book[code] * scale[i / 64];

		wrong += v < want[i] || v > want[i];
	}
	golden_report("C/quant4/boundary_fp4", "values that differ",
		      (double)wrong, 0);
	golden_close(&g);
}

#define BLOCKS(name) { "blocks_of_8_bits_" #name, blocks_of_8_bits, NULL,    \
		       NULL, (void *)(uintptr_t)("C/blockwise8/" #name) }

int main(void)
{
	const struct CMUnitTest tests[] = {
		BLOCKS(f32),
		BLOCKS(bf16),
		BLOCKS(f16),
		BLOCKS(zero_blocks_f32),
		cmocka_unit_test(fp4_decodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
