/*
 * gguf_made - a GGUF file, built piece by piece
 */
#ifndef TESTS_UNIT_GGUF_MADE_H
#define TESTS_UNIT_GGUF_MADE_H

#include <stdint.h>
#include <string.h>

/* A GGUF under construction. */
struct made {
	unsigned char at[1 << 17];
	size_t n;
};

static inline void put(struct made *m, const void *p, size_t n)
{
	assert_true(m->n + n <= sizeof(m->at));
	memcpy(m->at + m->n, p, n);
	m->n += n;
}

static inline void u32(struct made *m, uint32_t v)
{
	put(m, &v, 4);
}

static inline void u64(struct made *m, uint64_t v)
{
	put(m, &v, 8);
}

static inline void text(struct made *m, const char *s)
{
	u64(m, strlen(s));
	put(m, s, strlen(s));
}

static inline void head(struct made *m, uint64_t ntensor, uint64_t nkey)
{
	m->n = 0;
	put(m, "GGUF", 4);
	u32(m, 3);
	u64(m, ntensor);
	u64(m, nkey);
}

static inline void tensor(struct made *m, const char *name, uint64_t rows,
		   uint64_t cols, uint32_t type, uint64_t at)
{
	text(m, name);
	u32(m, 2);
	u64(m, cols);
	u64(m, rows);
	u32(m, type);
	u64(m, at);
}

static inline void data(struct made *m, size_t n)
{
	while (m->n % 32)
		put(m, "", 1);
	while (n--)
		put(m, "", 1);
}

#endif
