/* token_sink - samples to a data stream, or to JSON lines */
#ifndef FORMATS_TOKEN_SINK_H
#define FORMATS_TOKEN_SINK_H

#include "formats/dataset.h"

struct opt_program;
struct token_sink;

/* path NULL or "-": standard output. jsonl: {"input_ids": [...], "labels":
 * [...]} a line. level: as sink_options'. E_USAGE (a terminal), E_CREATE. */
int token_sink_open(struct token_sink **s, const char *path, int jsonl,
		    int level) MUST_CHECK;
int token_sink_add(struct token_sink *s,
		   const struct dataset_sample *sample) MUST_CHECK;

/* A whole output: p's provenance, the end, publishing. Frees s in any case. */
int token_sink_close(struct token_sink *s,
		     const struct opt_program *p) MUST_CHECK;

/* Gives the output up, as sink_abort(), and frees s. */
void token_sink_abort(struct token_sink *s, int code, const char *tool);

#endif
