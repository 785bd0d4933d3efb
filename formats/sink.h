/*
 * sink - the stream that a program writes
 *
 * head, then metas, tensors or batches in any order, then provenance, then
 * end. sink_end() is the only way to a whole stream: after a failure the
 * program calls sink_abort(), which leaves a stream that no reader accepts (or
 * no file at all).
 */
#ifndef FORMATS_SINK_H
#define FORMATS_SINK_H

#include "formats/source.h"

struct opt_program;
struct pool;
struct sink;

struct sink_options {
	int level;              /* zstd level; 0: everything raw */
	struct pool *pool;      /* compresses chunks side by side; or NULL */
};

/* path NULL or "-": standard output. E_USAGE (a terminal), E_CREATE. */
int sink_open(struct sink **s, const char *path,
	      const struct sink_options *o) MUST_CHECK;

/* Begins a stream; a sink may hold several, one after the other. */
int sink_head(struct sink *s, enum stream_kind kind) MUST_CHECK;

/* value is borrowed. Any JSON; objects are written with keys sorted. */
int sink_meta(struct sink *s, const char *key, json_t *value) MUST_CHECK;

/* A tensor with all its parts loaded. */
int sink_tensor(struct sink *s, const struct tensor *t) MUST_CHECK;

/* n samples as columns; see struct batch_columns. Cut into batches of at most
 * 4 MiB, so that how callers group them does not show in the bytes, as long as
 * they give more than that at once, or always the same. */
int sink_batch(struct sink *s, const struct batch_columns *b) MUST_CHECK;

/* Passes the source's current item on untouched: bytes where the formats
 * agree. ITEM_HEAD and ITEM_END begin and end a stream; provenance records
 * are kept and follow at the end. A tensor that was loaded, and is not moved
 * away, is written anew; with level 0 all data is, so that it comes out raw. */
int sink_pass(struct sink *s, struct source *from,
	      const struct item *item) MUST_CHECK;

/* Passes on the whole stream that the source's current item, an ITEM_HEAD,
 * begins: byte for byte where the formats agree. */
int sink_pass_stream(struct sink *s, struct source *from,
		     const struct item *head) MUST_CHECK;

/* Keeps a provenance record of an input (as collect() gives them) for the
 * current stream; one that is kept already is not written twice. */
int sink_keep(struct sink *s, json_t *record) MUST_CHECK;

/*
 * Writes the records that were kept, then this program's: name, version, the
 * options of p that are marked OPT_RECORD (sorted), and the digests of the n
 * inputs, by kind and in the order they came.
 */
int sink_provenance(struct sink *s, const struct opt_program *p,
		    const struct input_digest *input, size_t n) MUST_CHECK;

/* Ends the current stream, after the provenance that was kept and is not yet
 * written. digest: its content's, or NULL. */
int sink_end(struct sink *s, unsigned char digest[16]) MUST_CHECK;

/* Closes a whole output (all streams ended), publishes it and frees s, also
 * when it fails. */
int sink_close(struct sink *s) MUST_CHECK;

/* Gives the output up, and frees s (NULL is fine). A reader at the other end
 * of a pipe is told err_text() and refuses what it has. */
void sink_abort(struct sink *s, int code, const char *tool);

#endif
