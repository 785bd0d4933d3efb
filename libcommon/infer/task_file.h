/*
 * task_file - tasks that a file describes, as lm-evaluation-harness has them
 *
 * A description is a JSON object: which records, how a record becomes a text,
 * choices and a target, what is asked of the model (output_type) and what is
 * counted (metric_list). docs/eval.md has the keys. An output type is one file
 * and one row of task_types.
 */
#ifndef INFER_TASK_FILE_H
#define INFER_TASK_FILE_H

#include "base/regex.h"
#include "infer/task.h"

enum { TASK_METRICS = 8, TASK_FILTERS = 8, TASK_PATTERNS = 8, TASK_UNTIL = 16 };

struct file_run;

struct task_type {
	const char *name;               /* output_type */
	const char *metrics;            /* known ones, separated by spaces */
	const char *usual[4];           /* without a metric_list */
	int more;                       /* is more of them better? */

	/* What the model needs; each record in turn, with its context; what
	 * can only be said at the end (or NULL); f->own, which may be NULL
	 * (or NULL). */
	int (*start)(struct file_run *f) MUST_CHECK;
	int (*ask)(struct file_run *f, json_t *doc,
		   const char *context) MUST_CHECK;
	int (*end)(struct file_run *f) MUST_CHECK;
	void (*release)(struct file_run *f);
};

extern const struct task_type task_choose, task_write, task_roll;

/* Words of an answer that are compared: how they are made alike first. */
struct task_metric {
	const char *name;
	int ignore_case, ignore_punctuation, ignore_numbers;
	struct regex *ignore[TASK_PATTERNS];
	size_t nignore;
};

/* What is done to an answer before it is compared. */
struct task_filter {
	const char *name;               /* behind the comma of a result's key */
	json_t *step;                   /* array; borrowed */
	struct regex *re[TASK_PATTERNS]; /* of step i, where it has one */
};

struct task_spec {
	json_t *root;
	const char *name, *text, *description;
	const char *target_delimiter, *fewshot_delimiter;
	json_t *choices;                /* doc_to_choice; NULL */
	json_t *target;                 /* doc_to_target */
	char *data, *shots;             /* paths; shots NULL: those of data */
	size_t fewshot;
	const char *until[TASK_UNTIL];
	size_t nuntil, most;            /* tokens that are written at most */
	const struct task_type *type;
	struct task_metric metric[TASK_METRICS];
	struct task_filter filter[TASK_FILTERS];
	size_t nmetric, nfilter;
	struct regex *articles, *blanks; /* \b(a|an|the)\b, \s+ */
};

/* Reads path. data: what -d says, for a description without data. E_DATA with
 * the file and the key. Safe to release after a failure. */
int task_spec_read(struct task_spec *s, const char *path,
		   const char *data) MUST_CHECK;
void task_spec_release(struct task_spec *s);

/* ---- templates ---- */

/* The text of a template over a record: {{field}}, {{a.b}}, {{list[0]}},
 * {{field|trim}}; or just the name of a field. Free *out. E_DATA: no such
 * field; E_CONFIG: what is no such template. */
int task_render(char **out, const char *template, json_t *doc) MUST_CHECK;

/* The same; a field's name alone is no template. */
int task_expand(char **out, const char *template, json_t *doc) MUST_CHECK;

/* The choices of a record: an array of texts, a new reference. */
int task_choices(const struct task_spec *s, json_t *doc,
		 json_t **choices) MUST_CHECK;

/* The targets of a record: an array of texts or, where there are choices, of
 * one number; a new reference. */
int task_targets(const struct task_spec *s, json_t *doc, json_t *choices,
		 json_t **targets) MUST_CHECK;

/* ---- answers ---- */

/* A row of filter_list. E_DATA: a step that is not known. */
int task_filter_read(struct task_filter *f, json_t *spec) MUST_CHECK;

/* What filter f makes of an answer. Free *out. */
int task_filtered(const struct task_run *r, const struct task_filter *f,
		  const char *answer, char **out) MUST_CHECK;

/* Does the answer, or how far does it, agree with one of the targets? 0 to
 * 1. */
int task_agrees(const struct task_run *r, const struct task_spec *s,
		const struct task_metric *m, const char *answer,
		json_t *targets, double *score) MUST_CHECK;

/* ---- the run ---- */

struct tally {
	double sum, squares;
	size_t n;
};

struct file_run {
	const struct task_run *run;
	struct task_spec spec;
	json_t *docs, *shots;           /* arrays of records */
	size_t n;                       /* records that are asked */
	size_t number;                  /* of the record, from 0 */
	size_t window;                  /* tokens of a sequence at most */
	size_t truncated;               /* records whose context was cut */
	int chat;                       /* contexts are rendered chats */
	struct scorer *s;
	void *own;                      /* the type's */
	struct tally tally[TASK_FILTERS][TASK_METRICS];
};

/* Adds a record's value of metric m under filter i. */
void file_count(struct file_run *f, size_t filter, size_t m, double value);

/* A line of --log-samples: o (consumed) has what the type knows (resps,
 * filtered_resps, arguments, the metrics); doc_id and the rest are added. */
int file_log(struct file_run *f, json_t *doc, json_t *target,
	     size_t filter, json_t *o) MUST_CHECK;

/* Encodes with what the tokenizer adds, unless it is a chat. */
int file_encode(struct file_run *f, const char *text,
		struct text_ids *ids) MUST_CHECK;

/* result["results"][name]["metric,filter"] = value, and the standard error,
 * a text where there is none. */
int file_put(struct file_run *f, const char *metric, const char *filter,
	     double value, json_t *error) MUST_CHECK;

#endif
