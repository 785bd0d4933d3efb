/*
 * opt - one table of options a program, from which everything else follows:
 * parsing, --help, the man page, shell completion, the keys of -c FILE, and
 * what the provenance record says.
 *
 *     static size_t rank = 16;
 *     static const struct opt own[] = {
 *         { "rank", 'r', OPT_COUNT, &rank, "N", "rank of the update",
 *           .alias = "lora-r lora-rank", .flags = OPT_RECORD },
 *         { 0 }
 *     };
 *
 * The variable's value before parsing is the default, and --help shows it.
 * Names are spelled with dashes; underscores are accepted everywhere.
 */
#ifndef BASE_OPT_H
#define BASE_OPT_H

#include "base/err.h"
#include "base/json.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum opt_type {
	OPT_FLAG,       /* int; --name sets 1, --no-name 0 */
	OPT_COUNT,      /* size_t >= 0 */
	OPT_SEED,       /* uint64_t */
	OPT_REAL,       /* double, finite */
	OPT_BYTES,      /* uint64_t; 512M, 8G: powers of 1024 */
	OPT_TEXT,       /* const char * */
	OPT_CHOICE,     /* int, the index in choices "a|b|c"; in "a,x|b" x is
			 * another way to say a */
	OPT_LIST,       /* struct opt_list; the option may be repeated */
};

enum {
	OPT_RECORD = 1, /* can change a tensor: goes into the provenance */
	OPT_HIDDEN = 2, /* for tests: not in --help */
};

struct opt_list {
	const char **at;
	size_t n;
};

struct opt {
	const char *name;
	char letter;            /* 0: none */
	enum opt_type type;
	void *at;
	const char *arg;        /* what the value is called; NULL for flags */
	const char *help;       /* one line, lower case, no period */
	const char *alias;      /* other long names, separated by spaces */
	const char *choices;
	unsigned flags;
	int given;              /* set by opt_parse(): the user said it */
};

/* The text of a program: what --help and the man page say around the table. */
struct opt_program {
	const char *name;
	const char *brief;      /* "store a model's linear weights in 4 bits" */
	const char *usage;      /* "[option ...] [base ...]" */
	const char *about;      /* paragraphs, separated by blank lines */
	const char *examples;   /* command lines, a line each */
	const char *see;        /* "QLoRA, arXiv:2305.14314; st(5)" */
	struct opt *own;        /* ends with a zeroed row */
	struct opt *shared;     /* a second table, or NULL */
	const char *without;    /* names in shared that are none of this
				 * program's, separated by spaces; or NULL */
};

/*
 * Reads the command line and, where it names one, the -c FILE (JSON, long
 * names as keys; the command line wins). On return *operands is argv's
 * operands, NULL-terminated, *noperand of them, until the next call. E_USAGE,
 * also where KERNELS in the environment names no level (base/level.h); E_CONFIG
 * for the file. --help, --version, --man and --completion print to
 * stdout and set *done: the program should end with the status returned.
 */
int opt_parse(const struct opt_program *p, int argc, char **argv,
	      char ***operands, size_t *noperand, int *done) MUST_CHECK;

/* The row of that long name in either table; NULL: none. */
struct opt *opt_find(const struct opt_program *p, const char *name);

/* Was it on the command line or in the config file? */
int opt_given(const struct opt_program *p, const char *name);

/* The effective value as text ("16", "q_proj,v_proj", "true") into buf;
 * the form is one that opt_parse() reads back to the same value. */
const char *opt_value_text(const struct opt *o, char *buf, size_t size);

/* Sets an option from its text, which must stay, as if it had been given.
 * E_USAGE. */
int opt_set(struct opt *o, const char *text) MUST_CHECK;

/* Calls fn while the options of a table, which ends with a zeroed row, are what
 * an object says, over what they are; then they are as before. Texts go with
 * the call. E_CONFIG: a key that is none of the table's, a value; fn's. */
int opt_within(struct opt *table, json_t *object, int (*fn)(void *ctx),
	       void *ctx) MUST_CHECK;

/* "512M" and such; E_USAGE. */
int opt_bytes(uint64_t *bytes, const char *text) MUST_CHECK;

/* Options that programs share, for the second table of a program:
 *   -o --output, -j --threads, -m --memory, -q --quiet, -v --verbose,
 *   -c --config, --log, --arch, --level / -u. */
struct opt_common {
	const char *output;     /* NULL: standard output */
	size_t threads;         /* 0: os_cpus() */
	uint64_t memory;        /* 0: what is free */
	const char *config, *log;
	const char *arch;       /* a family's file, for family_bring() */
	int quiet, verbose;
	size_t level;           /* zstd level of compressed parts; 0: all raw */
	int raw;                /* -u */
};

extern struct opt_common opt_common;
extern struct opt opt_shared[];

#endif
