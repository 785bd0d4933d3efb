/* tokenize - text and conversations to a stream of tokens and labels */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arch/family.h"
#include "base/opt.h"
#include "base/safe.h"
#include "base/sig.h"
#include "formats/dataset.h"
#include "formats/token_sink.h"
#include "formats/tokenizer_file.h"

static const char *base, *chat_template;
static int train_on_prompt, drop_long, jsonl, show, report;
static size_t length, limit;

static struct opt own[] = {
	{ "base", 0, OPT_TEXT, &base, "FILE",
	  "whose tokenizer: a base of any kind, or a tokenizer.json",
	  .alias = "tokenizer" },
	{ "template", 0, OPT_TEXT, &chat_template, "NAME",
	  "chat template instead of the model's own", .alias = "chat-template",
	  .flags = OPT_RECORD },
	{ "train-on-prompt", 0, OPT_FLAG, &train_on_prompt, NULL,
	  "loss on all tokens, not on the answers only",
	  .alias = "train-on-inputs", .flags = OPT_RECORD },
	{ "length", 0, OPT_COUNT, &length, "N",
	  "tokens of a sample at most; text is cut into rows of it (0: none)",
	  .alias = "max-length max-seq-length cutoff-len sequence-len",
	  .flags = OPT_RECORD },
	{ "drop-long", 0, OPT_FLAG, &drop_long, NULL,
	  "leave a sample that is too long out instead of cutting it",
	  .flags = OPT_RECORD },
	{ "limit", 'L', OPT_COUNT, &limit, "N",
	  "stop after N samples (0: all)", .flags = OPT_RECORD },
	{ "jsonl", 0, OPT_FLAG, &jsonl, NULL,
	  "write JSON lines of input_ids and labels instead of a stream" },
	{ "show", 0, OPT_FLAG, &show, NULL,
	  "print which tokens carry loss" },
	{ "report", 0, OPT_FLAG, &report, NULL,
	  "print a JSON object of counts" },
	{ 0 }
};

static const struct opt_program program = {
	.name = "tokenize",
	.brief = "text and conversations to a stream of tokens and labels",
	.usage = "[option ...] [file ...]",
	.about =
	"Reads files of records (standard input without an operand) and writes "
	"a data stream. A file is plain text, JSON lines or a JSON array, and "
	"what a record is is seen from the first:\n\n"
	"messages (a list of role and content) or conversations (from and "
	"value); prompt and completion, texts or lists of messages; "
	"instruction, input and output; text; input_ids with labels (-100: no "
	"loss) and attention_mask, which are used as given.\n\n"
	"Conversations are written as the model's chat template has it, and "
	"an answer carries loss up to the end of its turn. In prompt and "
	"completion, text, and records without a template, the end of text is "
	"added and learned.\n\n"
	"Refused with status 65 and the record's number: no labelled token, "
	"two BOS tokens, an answer without an end of turn, an end of turn that "
	"is no token of the model, tokens beyond the vocabulary, and whatever "
	"is not JSON. One record is in memory at a time.\n\n"
	"With --show or --report standard output is for reading, and the "
	"stream is written only where -o names a file. --show marks tokens "
	"that carry loss by colour on a terminal (unless NO_COLOR is set) and "
	"else by brackets.",
	.examples =
	"tokenize --base ./SmolLM2-135M-Instruct chat.jsonl > data.st\n"
	"tokenize --base base.st --show -L 3 chat.jsonl\n"
	"tokenize --base model.gguf --length 1024 book.txt -o book.st\n"
	"cat base.st data.st | quantize-nf4 | peft-step -r 8 > adapter.st",
	.see = "peft-step(1), st-ls(1), st(5)",
	.own = own,
	.shared = opt_shared,
	.without = "memory log",
};

struct work {
	struct tokenizer *t;
	struct token_sink *out; /* NULL: nothing is written */
	size_t longest, ends;
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
	int64_t eos = w->t ? tokenizer_eos(w->t) : -1;
	int ended = 0;

	w->longest = s->n > w->longest ? s->n : w->longest;
	for (size_t i = 1; i < s->n; i++)
		ended |= eos >= 0 && s->label[i] == eos;
	w->ends += (size_t)ended;
	if (show)
		TRY(show_sample(w, s));
	if (w->out)
		TRY(token_sink_add(w->out, s));
	/* The answer is no: not another one. */
	return limit && w->stats.samples >= limit ? E_NO : 0;
}

static int print_report(const struct work *w)
{
	const struct dataset_stats *s = &w->stats;
	json_t *o = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I}",
			      "samples", (json_int_t)s->samples,
			      "tokens", (json_int_t)s->tokens,
			      "labels", (json_int_t)s->labels,
			      "longest", (json_int_t)w->longest,
			      "truncated", (json_int_t)s->truncated,
			      "dropped", (json_int_t)s->dropped,
			      "with_end", (json_int_t)w->ends);
	char *text;

	if (!o)
		return err_set(E_NOMEM, "no memory for a report");
	TRY(json_print(&text, o, 0));
	puts(text);
	free(text);
	json_decref(o);
	return 0;
}

static int read_all(struct work *w, char *const *path)
{
	const struct dataset_options o = {
		.chat_template = chat_template, .length = length,
		.train_on_prompt = train_on_prompt, .drop_long = drop_long,
	};
	int err = 0;

	do {
		err = dataset_read(*path, w->t, &o, &w->stats, take, w);
	} while (!err && *path && *++path);
	if (err == E_NO)
		err = 0;
	if (!err && !w->stats.samples)
		err = err_set(E_DATA, "all samples are longer than --length "
			      "%zu", length);
	return err;
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

static int write_all(struct work *w, char *const *path)
{
	int err;

	TRY(token_sink_open(&w->out, opt_common.output, jsonl,
			    opt_common.raw ? 0 : (int)opt_common.level));
	err = read_all(w, path);
	if (!err)
		err = say(w);
	if (!err)
		return token_sink_close(w->out, &program);
	token_sink_abort(w->out, err, program.name);
	return err;
}

static int run(struct work *w, char *const *path)
{
	const char *no_colour = getenv("NO_COLOR");

	w->colour = isatty(STDOUT_FILENO) && !(no_colour && *no_colour);
	TRY(family_bring(opt_common.arch));
	if (base)
		TRY(tokenizer_open(&w->t, base));
	if (!(show || report) || opt_common.output)
		return write_all(w, path);
	TRY(read_all(w, path));
	return say(w);
}

int main(int argc, char **argv)
{
	struct work w = { 0 };
	char **operands;
	size_t noperand;
	int done, err;

	sig_init();
	err = opt_parse(&program, argc, argv, &operands, &noperand, &done);
	if (done)
		return err;
	if (!err)
		err = run(&w, operands);
	if (err)
		fprintf(stderr, "%s: %s\n", program.name, err_text());
	else if (w.stats.truncated + w.stats.dropped && !opt_common.quiet)
		fprintf(stderr, "%s: %zu samples cut to %zu tokens, %zu left "
			"out\n", program.name, w.stats.truncated, length,
			w.stats.dropped);
	tokenizer_free(w.t);
	return err;
}
