/*
 * source - what a program reads, record by record, whatever the format
 *
 * Operands are read as if they were one input (as cat joins them): tensor
 * streams, Hugging Face directories, .safetensors, .gguf, PEFT adapter
 * directories. The format is detected, never declared. Constant memory: a
 * tensor's data is read only when it is asked for, a chunk or a whole at a
 * time; what is not asked for is verified and skipped.
 */
#ifndef FORMATS_SOURCE_H
#define FORMATS_SOURCE_H

#include "base/err.h"
#include "base/json.h"
#include "tensor/tensor.h"

#include <stddef.h>
#include <stdint.h>

/* STREAM_ANY also stands for a kind that this version does not know. */
enum stream_kind {
	STREAM_ANY, STREAM_BASE, STREAM_ADAPTER, STREAM_DATA, STREAM_EVAL,
	STREAM_COUNT
};

const char *stream_kind_name(enum stream_kind k);       /* "base" */
enum stream_kind stream_kind_find(const char *name);    /* STREAM_ANY */

enum item_kind {
	ITEM_NONE,      /* all inputs are at their end, and were whole */
	ITEM_HEAD,      /* a stream begins: item.stream */
	ITEM_META,      /* item.key, item.value */
	ITEM_TENSOR,    /* item.tensor: described, not loaded */
	ITEM_BATCH,     /* a record batch of a data stream: item.batch */
	ITEM_OTHER,     /* a record that is passed on or dropped unread */
	ITEM_END,       /* the stream is whole: item.digest */
};

/* The columns of n samples; owned by the source until the next item. */
struct batch_columns {
	size_t n;               /* samples */
	const uint32_t *len;    /* (n) tokens of each */
	const uint32_t *ids;    /* (sum of len) */
	const int32_t *labels;  /* (sum of len); -100: no loss */
	size_t tokens;          /* sum of len */
};

struct item {
	enum item_kind kind;
	enum stream_kind stream;
	const char *key;        /* META */
	json_t *value;          /* META, OTHER of type "prov": borrowed until
				 * the next item */
	struct tensor *tensor;  /* borrowed; source_load() fills it in */
	struct batch_columns batch;
	const char *type;       /* OTHER: four letters */
	unsigned char digest[16]; /* END: XXH3-128 of the content */
};

struct source;
struct sink;
struct io_in;

/* paths ends with NULL; none: standard input. E_NOINPUT, E_DATA, E_IO. */
int source_open(struct source **s, char *const *paths) MUST_CHECK;

/* From now on, data that is not asked for is skipped without being verified,
 * and an END of a format without digests has none (zeros): for a quick look. */
void source_trust(struct source *s);

/* From now on, a GGUF's blocks come as they are (a storage of their own), not
 * decoded and rounded to bf16: for who computes with them. Before the first
 * source_next(). */
void source_keep_blocks(struct source *s);

/* The next item. What it points to lives until the next call. After an error
 * the source gives the same error again. Messages begin with the file. */
int source_next(struct source *s, struct item *item) MUST_CHECK;

/* Reads all parts of the current tensor into memory of item->tensor's own;
 * tensor_move() takes it away. Verified. */
int source_load(struct source *s) MUST_CHECK;

/* A chunk of a tensor, in its file: bytes [at, at + n) of a part. */
struct source_place {
	size_t part, at, n;
	uint64_t hash;          /* of the n bytes */
	uint64_t offset;        /* in the file; stored bytes, */
	size_t stored;          /* ... which codec_unpack() takes if packed */
	int packed, planes;
};

typedef int source_place_fn(void *ctx, const struct source_place *p);

/* The file that the current tensor's bytes can be read from at any time; -1:
 * now or never. Borrowed. */
int source_file(const struct source *s);

/* In the place of source_load(), where there is such a file: where all chunks
 * of the current tensor are. They are not verified. */
int source_places(struct source *s, source_place_fn *fn,
		  void *ctx) MUST_CHECK;

/* Where the current item is, for messages: "base.st", "<stdin>". */
const char *source_name(const struct source *s);

/* An input that was read to its end: what a provenance record names. */
struct input_digest {
	enum stream_kind kind;
	unsigned char digest[16];
};

/* The streams that source_next() has ended so far; *at is borrowed until the
 * next call. */
size_t source_inputs(const struct source *s, const struct input_digest **at);

void source_close(struct source *s);    /* NULL is fine */

/*
 * A format that a source reads: a row of formats/source_formats.h, which says
 * which is asked first. Messages need not name the input: the source puts its
 * path before them.
 *
 * The digest of an END item is that of the stream that these items would make
 * (st(5)), so that a program reading a directory records what it would record
 * reading st-import's stream. A row that has none leaves it to the source
 * (no digests): it loads tensors that nobody asked for, and computes it.
 */
struct source_format {
	const char *name;
	int digests;            /* fills in item.digest at END itself */

	/* Could this be one? path is NULL for standard input; head holds the
	 * first n bytes of a file, n = 0 for a directory (head NULL) and for
	 * empty input. */
	int (*probe)(const char *path, const unsigned char *head, size_t n);

	/* in: the opened input, the row's to close (also when it fails); NULL:
	 * a directory. */
	int (*open)(void **self, const char *path, struct io_in *in)
		MUST_CHECK;

	/* What source_trust() says, after open(). NULL: no difference. */
	void (*trust)(void *self);

	/* What source_keep_blocks() says, after open(). NULL: no difference. */
	void (*keep_blocks)(void *self);

	/* HEAD, META, TENSOR ..., END; then NONE, at the end of the input. */
	int (*next)(void *self, struct item *item) MUST_CHECK;

	/* t is the current item's tensor: fills in its parts' data. */
	int (*load)(void *self, struct tensor *t) MUST_CHECK;

	/* What source_file() and source_places() say. NULL: -1. */
	int (*file)(const void *self);
	int (*places)(void *self, struct tensor *t, source_place_fn *fn,
		      void *ctx) MUST_CHECK;

	/* Copies the current record's bytes to a sink unchanged. NULL: the
	 * record is written anew from its item. */
	int (*copy)(void *self, struct sink *to) MUST_CHECK;

	/* Copies the stream whose HEAD is current to its end, byte for byte,
	 * and makes its END the current item. NULL: item by item. */
	int (*copy_stream)(void *self, struct sink *to,
			   struct item *end) MUST_CHECK;
	void (*close)(void *self);
};

#endif
