/*
 * train_inputs - what a training reads: base, adapter, data, and the state of
 * a run that it goes on from
 */
#ifndef FORMATS_TRAIN_INPUTS_H
#define FORMATS_TRAIN_INPUTS_H

#include "base/digest.h"
#include "formats/data_files.h"
#include "formats/inputs.h"
#include "formats/sink.h"

struct train_inputs {
	struct collection in, saved;    /* saved: the checkpoint's */
	const struct collected *adapter; /* to train; NULL: a new one */
	json_t *state;                  /* its "train" meta, where the run that
					 * left it goes on; or NULL. Borrowed */
	json_t *tokens;                 /* what --add-token adds to the
					 * configuration of a new adapter */
	json_t *chat;                   /* formats/learned_chat.h; or NULL */
	struct samples data, eval;
	unsigned char data_digest[DIGEST_SIZE], eval_digest[DIGEST_SIZE];
};

struct train_files {
	const char *adapter;            /* beside the operands, or NULL */
	const char *resume;             /* a checkpoint, if it is there */
	const struct opt_list *tokens;  /* to add with a new adapter, or NULL */
	int fresh;                      /* an unfinished adapter's weights only;
					 * says nothing of a checkpoint */
	struct data_files data, eval;
	double split;                   /* part of the data that is held out,
					 * into eval */
	uint64_t seed;                  /* of the split */
	uint64_t budget;                /* bytes; else 0: the base's matrices
					 * are in pages (formats/collect.h) */
	int paged;                      /* in pages without a budget, too */
	const char *agent;              /* who shares them; or NULL */
};

/* Base, adapter and state. E_DATA; E_CONFIG: resume is no checkpoint, or of
 * another base. Safe to release after a failure. */
int train_inputs_read(struct train_inputs *t, char *const *operands,
		      const struct train_files *files) MUST_CHECK;

/* Data and evaluation data, with the base's tokenizer, which is not kept. The
 * gate judges the data, and the evaluation data only sample by sample. E_DATA:
 * there is none; E_CONFIG: not the data of the run that goes on. */
int train_inputs_data(struct train_inputs *t, const struct train_files *files,
		      const struct dataset_options *o,
		      struct dataset_stats *stats) MUST_CHECK;

/* Whoever trains has the adapters' tensors: they go. Their meta data stay. */
void train_inputs_taken(struct train_inputs *t);
void train_inputs_release(struct train_inputs *t);

/* The "chat" meta: what was learned of turns, now or by the adapter before. */
int train_inputs_chat(const struct train_inputs *t,
		      struct sink *out) MUST_CHECK;

/* Adds to the "train" meta what the run was made from. E_NOMEM. */
int train_inputs_name(const struct train_inputs *t, json_t *state) MUST_CHECK;

/* The adapter's records, and, unless a run goes on, p's. with_eval: the
 * evaluation data can change the result. */
int train_inputs_provenance(const struct train_inputs *t, struct sink *out,
			    const struct opt_program *p,
			    int with_eval) MUST_CHECK;

#endif
