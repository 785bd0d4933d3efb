/* tokenize - text and conversations to a stream of tokens and labels */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arch/family.h"
#include "base/opt.h"
#include "base/safe.h"
#include "base/sig.h"
#include "data/split.h"
#include "formats/data_options.h"
#include "formats/token_sink.h"
#include "formats/tokenizer_file.h"

static const char *base, *held_out;
static struct data_options data = DATA_OPTIONS;
static struct opt_list tokens;
static int shuffle, jsonl, show, report;
static size_t length, limit;
static uint64_t seed = 42;

#define R .flags = OPT_RECORD

static struct opt own[] = {
	{ "base", 0, OPT_TEXT, &base, "FILE",
	  "whose tokenizer: a base of any kind, or a tokenizer.json",
	  .alias = "tokenizer" },
	{ "add-token", 0, OPT_LIST, &tokens, "TOKEN",
	  "a token that the vocabulary gets, as peft-step(1) adds it; may be "
	  "repeated", R },
	DATA_OPTIONS_READ(data, R),
	{ "length", 0, OPT_COUNT, &length, "N",
	  "tokens of a sample at most; text is cut into rows of it (0: none)",
	  .alias = "max-length max-seq-length cutoff-len sequence-len", R },
	DATA_OPTIONS_GATE(data, R),
	{ "held-out", 0, OPT_TEXT, &held_out, "FILE",
	  "where --split puts what it holds out" },
	{ "shuffle", 0, OPT_FLAG, &shuffle, NULL,
	  "write the samples in another order; they are held in memory", R },
	{ "seed", 0, OPT_SEED, &seed, "N",
	  "what --shuffle and --split follow from", R },
	{ "limit", 'L', OPT_COUNT, &limit, "N",
	  "stop after N samples (0: all)", R },
	{ "jsonl", 0, OPT_FLAG, &jsonl, NULL,
	  "write JSON lines of input_ids and labels instead of a stream" },
	{ "show", 0, OPT_FLAG, &show, NULL,
	  "print which tokens carry loss" },
	{ "report", 0, OPT_FLAG, &report, NULL,
	  "print a JSON object of counts" },
	{ 0 }
};
#undef R

static const struct opt_program program = {
	.name = "tokenize",
	.brief = "text and conversations to a stream of tokens and labels",
	.usage = "[option ...] [file ...]",
	.about =
	"Reads files of records (standard input without an operand) and writes "
	"a data stream. A file is plain text, JSON lines, a JSON array, CSV or "
	"TSV with a header, or a data stream, and what a record is is seen "
	"from the first:\n\n"
	"messages (a list of role and content) or conversations (from and "
	"value); prompt and completion, texts or lists of messages; "
	"instruction, input and output; text; input_ids with labels (-100: no "
	"loss) and attention_mask, which are used as given. --columns names "
	"fields that are called otherwise.\n\n"
	"Conversations are written as the model's chat template has it, and "
	"each answer carries loss up to the end of its turn, unless its weight "
	"is 0 or its train is false. In prompt and completion, text, and "
	"records without a template, the end of text is added and learned."
	"\n\n"
	"MIXING. Files come one after the other. With --mix 0.7,0.3 the next "
	"sample is from the file that is furthest behind its share, so that "
	"every beginning of the output has the files in these shares. "
	"--split 0.05 --held-out FILE puts samples aside, by a hash of --seed "
	"and their tokens: equal samples are never on both sides, and the part "
	"is that of all samples only about.\n\n"
	"THE GATE. Refused with status 65 and the record's number: no labelled "
	"token; an answer whose end is no token, or is not learned; two BOS "
	"tokens; an empty text or answer; a template that writes special "
	"tokens which the tokenizer has not; tokens beyond the vocabulary; and "
	"whatever is not JSON. At the end: more records that are too long, "
	"repeat an earlier one, or are empty, than the limits say. --allow "
	"and the --max options relax each. A record repeats another by its "
	"text; of those that are tokens already nothing is said. One record is "
	"in memory at a time.\n\n"
	"With --show or --report standard output is for reading, and the "
	"stream is written only where -o names a file. --show marks tokens "
	"that carry loss by colour on a terminal (unless NO_COLOR is set) and "
	"else by brackets. --report counts records, samples, tokens, labels, "
	"what was cut and left out and why, samples that learn a stop token "
	"(with_end), and samples by length (of at most so many tokens, a power "
	"of two).",
	.examples =
	"tokenize --base ./SmolLM2-135M-Instruct chat.jsonl > data.st\n"
	"tokenize --base base.st --show -L 3 chat.jsonl\n"
	"tokenize --base model.gguf --length 1024 book.txt -o book.st\n"
	"tokenize --base b.st --columns prompt=q,completion=a qa.csv > d.st\n"
	"tokenize --base b.st --mix 0.7,0.3 chat.jsonl code.jsonl > d.st\n"
	"cat base.st data.st | quantize-nf4 | peft-step -r 8 > adapter.st",
	.see = "peft-step(1), st-ls(1), st(5)",
	.own = own,
	.shared = opt_shared,
	.without = "memory log",
};

struct work {
	struct tokenizer *t;
	struct token_sink *out; /* NULL: nothing is written */
	struct token_sink *held; /* what --split holds out */
	struct samples waiting; /* for --shuffle */
	int colour;
	struct dataset_stats stats;
};

/* ---- --show ---- */

/* Tokens that carry loss, or none that does. */
static int show_run(struct work *w, const struct dataset_sample *s, size_t from,
		    size_t to, int loss)
{
	char *text;
	size_t size;

	fputs(!loss ? "" : w->colour ? "\033[32m" : "[", stdout);
	if (w->t) {
		TRY(tokenizer_decode(w->t, s->id + from, to - from, 0, &text,
				     &size));
		safe_print(stdout, text, size, "\n");
		free(text);
	}
	for (size_t i = from; i < to && !w->t; i++)
		printf("%s%u", i > from ? " " : "", s->id[i]);
	fputs(!loss ? "" : w->colour ? "\033[0m" : "]", stdout);
	return 0;
}

static int show_sample(struct work *w, const struct dataset_sample *s)
{
	size_t labels = 0, to;

	for (size_t i = 1; i < s->n; i++)
		labels += s->label[i] >= 0;
	printf("-- record %zu: %zu tokens, %zu with loss\n", s->number, s->n,
	       labels);
	for (size_t from = 0; from < s->n; from = to) {
		int loss = from && s->label[from] >= 0;

		for (to = from + 1; to < s->n; to++)
			if ((s->label[to] >= 0) != loss)
				break;
		TRY(show_run(w, s, from, to, loss));
		if (!w->t && to < s->n)
			putchar(' ');
	}
	putchar('\n');
	return 0;
}

/* ---- samples ---- */

static int take(void *ctx, const struct dataset_sample *s)
{
	struct work *w = ctx;

	if (show)
		TRY(show_sample(w, s));
	if (w->held && split_holds(seed, data.split, s->id, s->n))
		TRY(token_sink_add(w->held, s));
	else if (w->out && shuffle)
		TRY(samples_add(&w->waiting, s->id, s->label, s->n));
	else if (w->out)
		TRY(token_sink_add(w->out, s));
	/* The answer is no: not another one. */
	return limit && w->stats.samples >= limit ? E_NO : 0;
}

static int write_shuffled(struct work *w)
{
	const struct samples *s = &w->waiting;

	TRY(samples_shuffle(&w->waiting, seed));
	for (size_t i = 0; i < s->n; i++) {
		const struct dataset_sample x = {
			.id = s->id + s->start[i],
			.label = s->label + s->start[i],
			.n = s->start[i + 1] - s->start[i],
		};

		TRY(token_sink_add(w->out, &x));
	}
	return 0;
}

static int print_report(const struct work *w)
{
	json_t *o;
	char *text;
	int err;

	TRY(data_report(&o, &w->stats));
	err = json_print(&text, o, 0);
	json_decref(o);
	TRY(err);
	puts(text);
	free(text);
	return 0;
}

static int read_all(struct work *w, const struct data_files *files)
{
	int err = data_files_each(files, w->t, &data.read, &w->stats, take, w);

	if (err == E_NO)
		err = data_gate_close(&data.gate, &w->stats);
	if (!err && !w->stats.samples)
		err = err_set(E_DATA, "no sample is left: %zu longer than "
			      "--length %zu, %zu empty, %zu unlabelled",
			      w->stats.dropped, length, w->stats.empty,
			      w->stats.unlabelled);
	return err ? err : write_shuffled(w);
}

/* What is said to a reader, on standard output. */
static int say(struct work *w)
{
	if (report)
		TRY(print_report(w));
	if ((show || report) && (fflush(stdout) || ferror(stdout)))
		return err_errno(E_IO, "<stdout>");
	return 0;
}

static int close_sink(struct token_sink *s, int err)
{
	if (!s)
		return err;
	if (!err)
		return token_sink_close(s, &program);
	token_sink_abort(s, err, program.name);
	return err;
}

static int write_all(struct work *w, const struct data_files *files)
{
	int level = opt_common.raw ? 0 : (int)opt_common.level, err;

	TRY(token_sink_open(&w->out, opt_common.output, jsonl, level));
	err = held_out ? token_sink_open(&w->held, held_out, jsonl, level) : 0;
	if (!err)
		err = read_all(w, files);
	if (!err)
		err = say(w);
	err = close_sink(w->held, err);
	return close_sink(w->out, err);
}

static int settle(size_t nfile)
{
	TRY(data_options_settle(&data, &program, length, nfile));
	if ((data.split > 0) != (held_out != NULL))
		return err_set(E_USAGE, "--split and --held-out go together");
	return 0;
}

static int run(struct work *w, char **path, size_t n)
{
	static const char *const input[] = { "-" };
	const char *no_colour = getenv("NO_COLOR");
	struct data_files files;

	TRY(settle(n ? n : 1));
	files = data_options_files(&data, n ? (const char *const *)path :
				   input, n ? n : 1);
	w->colour = isatty(STDOUT_FILENO) && !(no_colour && *no_colour);
	TRY(family_bring(opt_common.arch));
	if (tokens.n && !base)
		return err_set(E_USAGE, "--add-token: to which tokenizer? "
			       "Give --base");
	if (base)
		TRY(tokenizer_open(&w->t, base, &tokens));
	if (!(show || report) || opt_common.output)
		return write_all(w, &files);
	TRY(read_all(w, &files));
	return say(w);
}

int main(int argc, char **argv)
{
	struct work w = { 0 };
	char **operands, text[DATA_COUNTS];
	size_t noperand;
	int done, err;

	sig_init();
	err = opt_parse(&program, argc, argv, &operands, &noperand, &done);
	if (done)
		return err;
	if (!err)
		err = run(&w, operands, noperand);
	if (err)
		fprintf(stderr, "%s: %s\n", program.name, err_text());
	else if (!opt_common.quiet)
		fputs(data_counts_text(text, &w.stats, length, program.name),
		      stderr);
	samples_release(&w.waiting);
	data_gate_release(&data.gate);
	tokenizer_free(w.t);
	return err;
}
