/*
 * task - what eval measures; a task is one row, in one file task_<name>.c
 *
 * A task reads its data, runs the model through a scorer, and puts numbers
 * into a result. Metrics over questions have lm-evaluation-harness' keys:
 * result["results"][task]["acc,none"], with "acc_stderr,none" beside it.
 */
#ifndef INFER_TASK_H
#define INFER_TASK_H

#include "base/json.h"
#include "data/by_field.h"
#include "data/text.h"
#include "infer/decode.h"
#include "infer/score.h"

struct task_options {
	const char *data;       /* the task's file; NULL: the samples below */
	const char *description; /* of a task in a file, which wins over data */
	size_t fewshot, limit;  /* limit 0: all */
	size_t window, stride;  /* ppl: tokens of a window, from one to the
				 * next; stride 0: the window */
	size_t most;            /* exact: tokens of an answer at most */
	int fewshot_given, most_given; /* they win over a description */
	int chat, multiturn;    /* files: through the model's chat template;
				 * what is shown as turns of its own */
	uint64_t memory;        /* as a scorer's */
	const struct by_field *field; /* which of the program's soft prompts a
				 * record is asked with; NULL: the first */
};

struct task_run {
	const struct task_options *options;
	const struct text_codec *text;  /* NULL where there is no tokenizer */
	const struct samples *samples;  /* loss: what -d or the input had */
	struct program *program;
	struct pool *pool;
	json_t *result;                 /* object */

	/* A line of --log-samples, --per-token: called once for each sample,
	 * in order. o is borrowed. NULL: nobody wants them. */
	int (*sample)(void *ctx, json_t *o) MUST_CHECK;
	void *ctx;
};

struct task {
	const char *name;
	const char *brief;
	int wants_samples;      /* reads run->samples, not options->data */
	int (*run)(const struct task_run *r) MUST_CHECK;
};

const struct task *task_find(const char *name); /* NULL: none */
const struct task *task_at(size_t i);           /* NULL: past the last */

/* ---- for the tasks ---- */

/* Calls fn with each record of a JSON lines file (or one JSON array), numbered
 * from 0. E_DATA names file and line. */
typedef int task_record_fn(void *ctx, json_t *record, size_t number);
int task_records(const char *path, size_t limit, task_record_fn *fn,
		 void *ctx) MUST_CHECK;

/* From now on s is fed with the soft prompt that the record is asked with. */
int task_prompt(const struct task_run *r, struct scorer *s,
		json_t *record) MUST_CHECK;

/* result["results"][task]["metric,none"] = the mean of n values that sum to
 * sum, and the standard error beside it. */
int task_put_mean(const struct task_run *r, const char *task,
		  const char *metric, double sum, double sum_squares,
		  size_t n) MUST_CHECK;

/* Sets key of the result; E_NOMEM. */
int task_put(const struct task_run *r, const char *key,
	     json_t *value) MUST_CHECK;

#endif
