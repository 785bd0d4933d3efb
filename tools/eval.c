/* eval - measure a model, with an adapter or without */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_lines.h"
#include "base/opt.h"
#include "base/os.h"
#include "base/sig.h"
#include "formats/base_text.h"
#include "formats/data_options.h"
#include "infer/model.h"
#include "infer/require.h"
#include "infer/speed.h"
#include "infer/task.h"
#include "tools/adapters.h"

static struct opt_list tasks, data, require, adapters;
static struct data_options reading = DATA_OPTIONS;
static const char *agent, *field, *per_token, *log_samples;
static int compute, bench;
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
	{ "adapter", 'A', OPT_LIST, &adapters, "[NAME=]FILE",
	  "adapter stream or PEFT directory; as an operand; may be repeated" },
	{ "adapter-field", 0, OPT_TEXT, &field, "NAME",
	  "several soft prompts: this field of a record names its own" },
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
	{ "bench", 0, OPT_FLAG, &bench, NULL,
	  "tokens a second, of reading and writing, and memory" },
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
"Several adapters (-A NAME=FILE -A NAME=FILE) are measured one after the\n"
"other, on one base: the answer is then {\"adapters\": {NAME: {...}}}, and\n"
"what --require says must hold for each. Soft prompts can be measured in one\n"
"run with --adapter-field: a record is asked with the one that its field\n"
"names, in one batch with others, to the same bits as alone.\n"
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
"the keys. Results, standard errors and --log-samples are that harness'.\n"
"\n"
"--bench adds the key bench: tokens a second and processor seconds a token\n"
"of a prompt (up to 512 tokens) and of writing after it (up to 64), and\n"
"bytes of memory. Without -t and data nothing else is measured.",
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

/* ---- the run ---- */

struct session {
	struct collection in;
	struct named named;
	struct by_field field;
	struct text_codec *text;
	int text_err;           /* why there is none */
	struct model model;
	struct pool *pool;
	struct json_lines per_token, log;
	uint64_t adapter_bytes; /* of what stands beside the base */
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
		.length = how.window, .field = how.field,
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
	struct json_lines *lines = t->wants_samples || !strcmp(t->name, "ppl")
				      ? &s->per_token : &s->log;
	struct task_run run = {
		.options = &o, .text = s->text, .samples = &own_samples,
		.program = s->model.program, .pool = s->pool,
		.result = result, .ctx = lines,
		.sample = lines->on ? json_lines_add : NULL,
	};
	int err = 0;

	o.data = path;
	o.description = chosen[number].description;
	o.memory = opt_common.memory;
	o.fewshot_given = opt_given(&program, "num-fewshot");
	o.most_given = opt_given(&program, "max-new-tokens");
	if (!path && !o.description && !(t->wants_samples && s->in.has_data))
		return err_set(E_DATA, "no data for task %s: use -d", t->name);
	if (!path && !o.description && how.field)
		return err_set(E_USAGE, "--adapter-field: the samples of a "
			       "stream have no fields; use -d");
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

static int run_bench(struct session *s, json_t *result)
{
	struct speed speed;
	json_t *o;

	TRY(speed_measure(&speed, s->model.program, s->pool, 3,
			  opt_common.memory));
	o = speed_json(&speed, s->pool);
	if (!o || json_object_set_new(result, "bench", o) ||
	    json_object_set_new(o, "weight_bytes", json_integer(
				(json_int_t)(collected_bytes(&s->in.base) +
					     s->adapter_bytes))))
		return err_set(E_NOMEM, "out of memory");
	return 0;
}

static int run_tasks(struct session *s, json_t *result)
{
	for (size_t i = 0; i < nchosen; i++) {
		const char *path = data.n == 0 ? NULL
				   : data.at[i < data.n ? i : data.n - 1];

		TRY(run_task(s, i, path, result));
	}
	return bench ? run_bench(s, result) : 0;
}

/* All tasks with one adapter after the other. */
static int run_each(struct session *s, json_t *result)
{
	json_t *all = json_object();

	if (json_object_set_new(result, "adapters", all))
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < s->named.n; i++) {
		json_t *one = json_object();

		if (json_object_set_new(all, s->named.name[i], one))
			return err_set(E_NOMEM, "out of memory");
		TRY(adapters_use(&s->model, &s->named, i));
		s->adapter_bytes = collected_bytes(&s->named.at[i]);
		TRY(run_tasks(s, one));
	}
	return 0;
}

static int check_required(json_t *result)
{
	json_t *all = json_object_get(result, "adapters"), *one;
	const char *name;

	json_object_foreach(all, name, one)
		if (check_required(one))
			return err_at(E_NO, "%s", name);
	for (size_t i = 0; !all && i < require.n; i++)
		TRY(require_check(result, require.at[i]));
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
	return tasks.n || (bench && !data.n) ? 0 : choose("loss", 4);
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

/* Chosen by a field of the records; or the only one. Several are for
 * run_each(). */
static int open_adapters(struct session *s)
{
	for (size_t i = 0; i < s->named.n; i++)
		s->adapter_bytes += collected_bytes(&s->named.at[i]);
	if (!field)
		return s->named.n == 1 ?
		       adapters_use(&s->model, &s->named, 0) : 0;
	how.field = &s->field;
	return adapters_by_field(&s->model, &s->named, &s->field, field);
}

static int open_session(struct session *s, char **operands)
{
	TRY(family_bring(opt_common.arch));
	TRY(named_collect(&s->named, &s->in, operands, &adapters,
			  opt_common.memory, agent));
	TRY(model_open(&s->model, &s->in.base.tensors, NULL, NULL));
	TRY(open_adapters(s));
	program_compute(s->model.program, compute);
	s->text_err = base_text_open(&s->text, &s->in.base,
				     reading.chat_template);
	TRY(pool_new(&s->pool, opt_common.threads ? opt_common.threads
						  : os_cpus()));
	if (!nchosen && s->in.has_data)
		TRY(choose("loss", 4));
	TRY(json_lines_open(&s->per_token, per_token, 1));
	return json_lines_open(&s->log, log_samples, 1);
}

static int run(char **operands)
{
	struct session s = { 0 };
	json_t *result = json_object();
	int err = check_options();

	if (!err)
		err = open_session(&s, operands);
	if (!err)
		err = s.named.n > 1 && !field ? run_each(&s, result) :
						run_tasks(&s, result);
	err = json_lines_end(&s.per_token, err);
	err = json_lines_end(&s.log, err);
	if (!err)
		err = json_write(opt_common.output, result);
	if (!err)
		err = check_required(result);
	json_decref(result);
	model_release(&s.model);
	base_text_free(s.text);
	named_release(&s.named);
	if (inputs_alone(&s.in))
		fprintf(stderr, INPUTS_ALONE, program.name);
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
