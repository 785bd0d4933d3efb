/* eval - measure a model, with an adapter or without */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/opt.h"
#include "base/os.h"
#include "base/sig.h"
#include "formats/base_text.h"
#include "formats/data_options.h"
#include "formats/inputs.h"
#include "infer/model.h"
#include "infer/require.h"
#include "infer/task.h"

static struct opt_list tasks, data, require;
static struct data_options reading = DATA_OPTIONS;
static const char *adapter, *agent, *per_token, *log_samples;
static int compute;
static struct {
	const struct task *task;        /* each once, unless a file has it */
	char *description;              /* that file; or NULL */
} chosen[32];
static size_t nchosen;
static struct task_options how = { .window = 2048, .most = 64,
				    .multiturn = 1 };

static struct opt own[] = {
	{ "tasks", 't', OPT_LIST, &tasks, "TASK,...",
	  "loss or ppl, mc, exact, or a description, FILE.json; may "
	  "be repeated (loss)" },
	{ "data", 'd', OPT_LIST, &data, "FILE",
	  "the task's data, one for each -t; the last serves those left" },
	{ "adapter", 'A', OPT_TEXT, &adapter, "FILE",
	  "adapter stream or PEFT directory; as an operand" },
	{ "num-fewshot", 'f', OPT_COUNT, &how.fewshot, "N",
	  "mc, files: show N records solved before each other" },
	{ "limit", 'L', OPT_COUNT, &how.limit, "N",
	  "records of a task at most (ppl: tokens); 0: all" },
	{ "length", 0, OPT_COUNT, &how.window, "N",
	  "tokens of a sequence at most, of a window of ppl",
	  .alias = "max-length window" },
	{ "stride", 0, OPT_COUNT, &how.stride, "N",
	  "ppl: from a window to the next; 0: the window" },
	{ "max-new-tokens", 'n', OPT_COUNT, &how.most, "N",
	  "exact, files: tokens of an answer at most",
	  .alias = "max-gen-toks" },
	DATA_OPTIONS_READ(reading, .flags = 0),
	{ "apply-chat-template", 0, OPT_FLAG, &how.chat, NULL,
	  "files: ask through the chat template", .alias = "chat" },
	{ "fewshot-as-multiturn", 0, OPT_FLAG, &how.multiturn, NULL,
	  "files, in a chat: what is shown solved is turns of its own" },
	{ "require", 0, OPT_LIST, &require, "'KEY<=NUMBER'",
	  "status 1 unless it holds; < <= > >=; may be repeated" },
	{ "per-token", 0, OPT_TEXT, &per_token, "FILE",
	  "loss, ppl: losses of label tokens, a JSON array a sequence" },
	{ "log-samples", 0, OPT_TEXT, &log_samples, "FILE",
	  "mc, exact, files: a JSON object a record" },
	{ "agent", 0, OPT_TEXT, &agent, "SOCKET",
	  "page the base through page-agent, which others share" },
	{ "compute", 0, OPT_CHOICE, &compute, NULL,
	  "factors of the base's products", .choices = "f32|bf16" },
	{ 0 }
};

static const struct opt_program program = {
	.name = "eval",
	.brief = "measure a model, with an adapter or without",
	.usage = "[option ...] [base [adapter]]",
	.about =
"Reads a base, and an adapter where there is one, and prints a JSON object.\n"
"A shell has a builtin of this name, which would swallow the stream: call\n"
"the program by its path, or as weft-eval.\n"
"\n"
"loss: the mean loss in nats over the label tokens of the data (-d, or a\n"
"data stream on the input), with ppl = exp(loss) and the number of tokens.\n"
"All that tokenize(1) reads is read here.\n"
"\n"
"ppl: the perplexity of a text file, in windows of --length tokens that\n"
"begin every --stride tokens; of a window only the tokens count that none\n"
"before has scored, and never its first.\n"
"\n"
"mc: multiple choice by log-likelihood. A record is {\"prompt\" or\n"
"\"question\", \"choices\": [...], \"answer\": index or letter}. acc, and\n"
"acc_norm, divided by the choice's characters; keys and standard errors are\n"
"those of lm-evaluation-harness.\n"
"\n"
"exact: the share of answers that, written greedily, are the wanted ones. A\n"
"record is {\"prompt\", \"answer\"} or {\"messages\": [...]}.\n"
"\n"
"FILE.json: a task as lm-evaluation-harness describes them: multiple_choice,\n"
"generate_until or loglikelihood_rolling over the records of a data file\n"
"beside it, with templates, few-shot, metrics and filters. docs/eval.md has\n"
"the keys. Results, standard errors and --log-samples are that harness'.",
	.examples =
"  weft-eval -t loss -d test.jsonl nf4.st adapter.st\n"
"  weft-eval -t ppl -d text.txt --length 1024 --stride 512 base.st\n"
"  weft-eval -t mc -d mmlu.jsonl --require 'acc>=0.3' base.st\n"
"  weft-eval -t tasks/capitals.json -f 3 --log-samples s.jsonl base.st",
	.see = "peft-step(1), generate(1), st(5)",
	.own = own,
	.shared = opt_shared,
	.without = "log level raw",
};

/* ---- lines of --per-token and --log-samples ---- */

struct lines {
	struct io_out out;
	const char *path;
};

static int write_line(void *ctx, json_t *o)
{
	struct lines *l = ctx;
	char *text;
	int err;

	TRY(json_print(&text, o, 0));
	err = io_out_write(&l->out, text, strlen(text));
	free(text);
	return err ? err : io_out_write(&l->out, "\n", 1);
}

static int lines_open(struct lines *l, const char *path)
{
	l->path = path;
	return path ? io_out_open(&l->out, path, 0) : 0;
}

static int lines_end(struct lines *l, int err)
{
	if (!l->path)
		return err;
	if (!err)
		return io_out_commit(&l->out);
	io_out_abandon(&l->out);
	return err;
}

/* ---- the run ---- */

struct session {
	struct collection in;
	struct text_codec *text;
	int text_err;           /* why there is none */
	struct model model;
	struct pool *pool;
	struct lines per_token, log;
};

static int read_samples(struct session *s, const char *path,
			struct samples *to)
{
	const struct data_files files = { &path, 1, NULL, 0 };
	struct dataset_options o = {
		.chat_template = reading.chat_template,
		.chat_variables = reading.chat_variables,
		.train_on_prompt = reading.train_on_prompt,
		.format = reading.format, .columns = reading.columns,
		.length = how.window,
	};
	struct dataset_stats stats = { 0 };

	return data_files_read(to, &files, base_text_tokenizer(s->text), &o,
			       &stats);
}

static int run_task(struct session *s, size_t number, const char *path,
		    json_t *result)
{
	const struct task *t = chosen[number].task;
	struct task_options o = how;
	struct samples own_samples = { 0 };
	struct lines *lines = t->wants_samples || !strcmp(t->name, "ppl")
				      ? &s->per_token : &s->log;
	struct task_run run = {
		.options = &o, .text = s->text, .samples = &own_samples,
		.program = s->model.program, .pool = s->pool,
		.result = result, .ctx = lines,
		.sample = lines->path ? write_line : NULL,
	};
	int err = 0;

	o.data = path;
	o.description = chosen[number].description;
	o.memory = opt_common.memory;
	o.fewshot_given = opt_given(&program, "num-fewshot");
	o.most_given = opt_given(&program, "max-new-tokens");
	if (!path && !o.description && !(t->wants_samples && s->in.has_data))
		return err_set(E_DATA, "no data for task %s: use -d", t->name);
	if (!t->wants_samples && s->text_err)
		return s->text_err;
	if (!path && t->wants_samples)
		run.samples = &s->in.data;
	else if (t->wants_samples)
		err = read_samples(s, path, &own_samples);
	if (!err)
		err = t->run(&run);
	samples_release(&own_samples);
	return err;
}

static int run_tasks(struct session *s, json_t *result)
{
	for (size_t i = 0; i < nchosen; i++) {
		const char *path = data.n == 0 ? NULL
				   : data.at[i < data.n ? i : data.n - 1];

		TRY(run_task(s, i, path, result));
	}
	return 0;
}

/* loss and ppl answer under the same keys. */
static int is_loss(const struct task *t)
{
	return !strcmp(t->name, "loss") || !strcmp(t->name, "ppl");
}

/* A task of this name; or what a file describes, whose name is a path. */
static int find(const char *name, size_t n, const struct task **t)
{
	size_t i;

	*t = task_find("file");
	if (memchr(name, '/', n) || (n > 5 && !memcmp(name + n - 5, ".json",
						      5)))
		return 0;
	for (i = 0; (*t = task_at(i)); i++)
		if (strlen((*t)->name) == n && !strncmp((*t)->name, name, n) &&
		    strcmp((*t)->name, "file"))
			return 0;
	return err_set(E_USAGE, "no task '%.*s'; there are loss, ppl, mc, "
		       "exact, and files, FILE.json", (int)n, name);
}

static int choose(const char *name, size_t n)
{
	const struct task *t;
	int is_file;

	TRY(find(name, n, &t));
	is_file = !strcmp(t->name, "file");
	for (size_t i = 0; i < nchosen && !is_file; i++)
		if (chosen[i].task == t ||
		    (is_loss(t) && is_loss(chosen[i].task)))
			return err_set(E_USAGE, "%s after %s: one result has "
				       "no place for both", t->name,
				       chosen[i].task->name);
	if (nchosen == sizeof(chosen) / sizeof(*chosen))
		return err_set(E_USAGE, "more than %zu tasks", nchosen);
	chosen[nchosen].task = t;
	if (is_file && !(chosen[nchosen].description = strndup(name, n)))
		return err_set(E_NOMEM, "out of memory");
	nchosen++;
	return 0;
}

/* Names may be joined by commas, as in lm-evaluation-harness. */
static int choose_tasks(void)
{
	for (size_t i = 0; i < tasks.n; i++) {
		const char *at = tasks.at[i];
		size_t n = strcspn(at, ",");

		for (; at[n]; at += n + 1, n = strcspn(at, ","))
			TRY(choose(at, n));
		TRY(choose(at, n));
	}
	return tasks.n ? 0 : choose("loss", 4);
}

static int check_options(void)
{
	TRY(choose_tasks());
	if (data.n > nchosen)
		return err_set(E_USAGE, "-d: %zu files for %zu task%s", data.n,
			       nchosen, nchosen > 1 ? "s" : "");
	for (size_t i = 0; i < require.n; i++)
		TRY(require_parse(require.at[i]));
	return 0;
}

static int open_session(struct session *s, char **operands)
{
	const struct collected *a;

	TRY(family_bring(opt_common.arch));
	TRY(inputs_collect(&s->in, operands, adapter, opt_common.memory,
			   agent));
	TRY(inputs_one_model(&s->in, &a));
	TRY(model_open(&s->model, &s->in.base.tensors, a ? &a->tensors : NULL,
		       a ? json_object_get(a->meta, "adapter") : NULL));
	program_compute(s->model.program, compute);
	s->text_err = base_text_open(&s->text, &s->in.base,
				     reading.chat_template);
	TRY(pool_new(&s->pool, opt_common.threads ? opt_common.threads
						  : os_cpus()));
	TRY(lines_open(&s->per_token, per_token));
	return lines_open(&s->log, log_samples);
}

static int print(json_t *result)
{
	struct io_out out;
	char *text;
	int err;

	TRY(json_print(&text, result, 1));
	err = io_out_open(&out, opt_common.output, 0);
	if (!err) {
		err = io_out_write(&out, text, strlen(text));
		if (!err)
			err = io_out_write(&out, "\n", 1);
		if (err)
			io_out_abandon(&out);
		else
			err = io_out_commit(&out);
	}
	free(text);
	return err;
}

static int run(char **operands)
{
	struct session s = { 0 };
	json_t *result = json_object();
	int err = check_options();

	if (!err)
		err = open_session(&s, operands);
	if (!err)
		err = run_tasks(&s, result);
	err = lines_end(&s.per_token, err);
	err = lines_end(&s.log, err);
	if (!err)
		err = print(result);
	for (size_t i = 0; i < require.n && !err; i++)
		err = require_check(result, require.at[i]);
	json_decref(result);
	model_release(&s.model);
	base_text_free(s.text);
	collection_release(&s.in);
	pool_free(s.pool);
	return err;
}

int main(int argc, char **argv)
{
	char **operands;
	size_t n;
	int done, err;

	sig_init();
	err = opt_parse(&program, argc, argv, &operands, &n, &done);
	if (!err && !done)
		err = run(operands);
	if (err)
		fprintf(stderr, "%s: %s\n", program.name, err_text());
	return err;
}
