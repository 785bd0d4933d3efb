/*
 * data_options - how data is read, on a command line: rows for an option
 * table, and what they mean together
 */
#ifndef FORMATS_DATA_OPTIONS_H
#define FORMATS_DATA_OPTIONS_H

#include "base/opt.h"
#include "formats/data_files.h"

enum { DATA_FILES = 64 };

struct data_options {
	const char *chat_template, *chat_variables, *columns, *allow, *mix;
	int train_on_prompt, drop_long, format, over;
	double split, max_truncated, max_empty, max_duplicates;

	/* What data_options_settle() makes of them. */
	double weight[DATA_FILES];
	struct data_gate gate;
	struct dataset_options read;    /* its length is the caller's */
};

#define DATA_OPTIONS { .max_truncated = 0.1, .max_duplicates = 0.5 }

/* The rows; d is the variable, R the flags of what changes a result. */
#define DATA_OPTIONS_READ(d, R)                                              \
	{ "template", 0, OPT_TEXT, &(d).chat_template, "NAME",               \
	  "chat template instead of the model's own: a name, or FILE.jinja", \
	  .alias = "chat-template", R },                                     \
	{ "template-variables", 0, OPT_TEXT, &(d).chat_variables, "JSON",    \
	  "variables of the chat template: {\"enable_thinking\": false}",    \
	  .alias = "chat-template-kwargs", R },                              \
	{ "train-on-prompt", 0, OPT_FLAG, &(d).train_on_prompt, NULL,        \
	  "loss on all tokens, not on the answers only",                     \
	  .alias = "train-on-inputs train-on-input train-on-source", R },    \
	{ "data-format", 0, OPT_CHOICE, &(d).format, NULL,                   \
	  "what files are written in; auto: by name and beginning",          \
	  .choices = "auto|csv|tsv|json,jsonl|text", R },                    \
	{ "columns", 0, OPT_TEXT, &(d).columns, "OURS=THEIRS,...",           \
	  "what fields are called in the data: prompt=question",             \
	  .alias = "column-mapping", R }
#define DATA_OPTIONS_GATE(d, R)                                              \
	{ "drop-long", 0, OPT_FLAG, &(d).drop_long, NULL,                    \
	  "leave a sample that is too long out instead of cutting it", R },  \
	{ "mix", 0, OPT_TEXT, &(d).mix, "W,W,...",                           \
	  "mix the files, a weight for each: shares of the samples",         \
	  .alias = "interleave-probs mix-weights", R },                      \
	{ "mix-strategy", 0, OPT_CHOICE, &(d).over, NULL,                    \
	  "of --mix: end with the first file that ends, or start it over "   \
	  "until all have ended", .choices = "under,interleave_under|"       \
	  "over,interleave_over", R },                                       \
	{ "split", 0, OPT_REAL, &(d).split, "X",                             \
	  "hold out this part of the samples, to measure on",                \
	  .alias = "val-size val-set-size validation-split test-size", R },  \
	{ "max-truncated", 0, OPT_REAL, &(d).max_truncated, "X",             \
	  "refuse data of which a larger share does not fit into --length; " \
	  "a length that is given cuts what it cuts, unless this is too" },  \
	{ "max-duplicates", 0, OPT_REAL, &(d).max_duplicates, "X",           \
	  "refuse data of which a larger share repeats an earlier record" }, \
	{ "max-empty", 0, OPT_REAL, &(d).max_empty, "X",                     \
	  "refuse data of which a larger share has no text or answer; "      \
	  "those are left out", R },                                         \
	{ "allow", 0, OPT_TEXT, &(d).allow, "FAULT,...",                     \
	  "do not refuse unlabelled (left out), no-stop, double-bos (one is " \
	  "taken off), template", R }

/*
 * Checks them and fills in gate, weight and read, for n files. length: what
 * --length says; p: to see whether a length was given. E_USAGE. The gate is
 * released with data_gate_release().
 */
int data_options_settle(struct data_options *d, const struct opt_program *p,
			size_t length, size_t n) MUST_CHECK;

/* The files that are read so. */
struct data_files data_options_files(const struct data_options *d,
				     const char *const *path, size_t n);

#endif
