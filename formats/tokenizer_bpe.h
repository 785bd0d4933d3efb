/*
 * tokenizer_bpe - what a byte-pair model is in memory; tokenizer_bpe_read.c
 * makes it from a file, tokenizer_bpe.c encodes with it
 */
#ifndef FORMATS_TOKENIZER_BPE_H
#define FORMATS_TOKENIZER_BPE_H

#include "formats/tokenizer_parts.h"

#include <string.h>

enum { WORD_TEXT = 62, WORD_IDS = 16, WORDS = 1 << 14 };

struct merge {
	uint64_t pair;          /* left id << 32 | right id; UINT64_MAX: free */
	uint32_t rank, id;
};

struct word {
	unsigned char size, n;  /* size 0: free */
	char text[WORD_TEXT];
	uint32_t id[WORD_IDS];
};

struct symbol {
	uint32_t id;
	int32_t before, after;  /* -1: none; after -2: merged away */
};

struct bpe {
	const struct vocab *vocab;
	struct merge *merge;    /* (mask + 1) */
	size_t mask;
	struct word *word;      /* (WORDS) */
	struct text prefix, suffix, glue;
	int64_t unknown;        /* -1: unknown characters leave no token */
	int64_t byte[256];      /* with byte_fallback; else -1 */
	int fuse, whole_first;  /* fuse_unk, ignore_merges */
	int cut_spaces;         /* no merge crosses a character before U+2581 */
	struct symbol *symbol;  /* (n) */
	size_t n, room;
	uint64_t *heap;         /* (nheap) rank << 32 | position */
	size_t nheap, heap_room;
};

/* The slot of a pair, or the free one where it would stand. */
struct merge *bpe_merge_slot(const struct bpe *b, uint64_t pair);

/* Does s begin with U+2581, which stands for a space? */
static inline int bpe_is_space(const char *s, size_t size)
{
	return size >= 3 && !memcmp(s, "\xe2\x96\x81", 3);
}

int bpe_encode(void *self, const char *piece, size_t size,
	       struct ids *ids) MUST_CHECK;

#endif
