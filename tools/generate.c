/* generate - write on from a prompt */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/json_lines.h"
#include "base/opt.h"
#include "base/os.h"
#include "base/sig.h"
#include "base/size.h"
#include "formats/base_text.h"
#include "formats/chat.h"
#include "infer/answer.h"
#include "tools/adapters.h"

static const char *agent, *chat_template, *prompt, *prompt_file, *data, *field;
static struct opt_list adapters;
static const char *system_text, *variables;
static int chat, compute, show_ids;
static size_t most = 128, at_once = 8;
static struct sampling how = {
	.temperature = 0, .top_p = 1, .repetition_penalty = 1, .seed = 42,
};

static struct opt own[] = {
	{ "prompt", 'p', OPT_TEXT, &prompt, "TEXT", "what to write on from" },
	{ "prompt-file", 'f', OPT_TEXT, &prompt_file, "FILE",
	  "the prompt is the file's text", .alias = "file" },
	{ "data", 'd', OPT_TEXT, &data, "FILE",
	  "write for each record, {\"prompt\"} or {\"messages\"}, of a JSON "
	  "lines file" },
	{ "batch-size", 'b', OPT_COUNT, &at_once, "N",
	  "with --data: records that are written for at once" },
	{ "chat", 0, OPT_FLAG, &chat, NULL,
	  "the prompt is a user's message, in the model's chat template" },
	{ "system", 0, OPT_TEXT, &system_text, "TEXT",
	  "with --chat: a system message before it" },
	{ "max-new-tokens", 'n', OPT_COUNT, &most, "N",
	  "tokens to write at most", .alias = "n-predict max-tokens predict" },
	{ "temperature", 0, OPT_REAL, &how.temperature, "X",
	  "0: always the likeliest token", .alias = "temp" },
	{ "top-k", 0, OPT_COUNT, &how.top_k, "N",
	  "draw from the N likeliest tokens; 0: from all" },
	{ "top-p", 0, OPT_REAL, &how.top_p, "X",
	  "draw from the likeliest tokens that together have X" },
	{ "repetition-penalty", 0, OPT_REAL, &how.repetition_penalty, "X",
	  "divide the logits of tokens that were there; 1: off",
	  .alias = "repeat-penalty" },
	{ "seed", 0, OPT_SEED, &how.seed, "N", "of the draws" },
	{ "adapter", 'A', OPT_LIST, &adapters, "[NAME=]FILE",
	  "adapter stream or PEFT directory; as an operand; may be repeated" },
	{ "adapter-field", 0, OPT_TEXT, &field, "NAME",
	  "several soft prompts: this field of a record names its own" },
	{ "template", 0, OPT_TEXT, &chat_template, "NAME",
	  "chat template instead of the model's: a name, or FILE.jinja",
	  .alias = "chat-template" },
	{ "template-variables", 0, OPT_TEXT, &variables, "JSON",
	  "variables of the chat template: {\"enable_thinking\": false}",
	  .alias = "chat-template-kwargs" },
	{ "ids", 0, OPT_FLAG, &show_ids, NULL,
	  "print token ids instead of text, the stop token too" },
	{ "agent", 0, OPT_TEXT, &agent, "SOCKET",
	  "page the base through page-agent, which others share" },
	{ "compute", 0, OPT_CHOICE, &compute, NULL,
	  "factors of the base's products", .choices = "f32|bf16" },
	{ 0 }
};

static const struct opt_program program = {
	.name = "generate",
	.brief = "write on from a prompt",
	.usage = "{-p PROMPT | -d FILE} [option ...] [base [adapter]]",
	.about =
"Reads a base, and an adapter where there is one, and prints what the model\n"
"writes after the prompt, and nothing else. It ends at the model's end of\n"
"text or turn, or after --max-new-tokens.\n"
"\n"
"With --data it writes for each record of a file and prints the record with\n"
"\"completion\" added, a JSON object a line. -b records are written for at\n"
"once, which changes no text. Each may have its own soft prompt: -A NAME=FILE\n"
"for each, and --adapter-field names the field of a record that names it.\n"
"\n"
"The same seed gives the same text, on any machine and with any number of\n"
"threads.",
	.examples =
"  generate --chat -p 'Who are you?' nf4.st adapter.st\n"
"  generate -p 'Once upon a time' -n 40 --temperature 0.8 --top-p 0.95 "
"base.st\n"
"  generate -d asked.jsonl -A sum=sum.st -A name=name.st \\\n"
"      --adapter-field task base.st > answered.jsonl",
	.see = "eval(1), peft-step(1)",
	.own = own,
	.shared = opt_shared,
	.without = "log level raw",
};

struct session {
	struct collection in;
	struct named named;
	struct by_field field;
	struct text_codec *text;
	struct model model;
	struct pool *pool;
	char *prompt_text;
	uint32_t *id;           /* written so far */
	size_t nid;
	struct io_out out;
	size_t printed;         /* bytes of the text that are out */
};

/* All but a character at the end that more bytes may complete. */
static size_t whole_characters(const char *text)
{
	static const char bad[] = "\xef\xbf\xbd";
	size_t n = strlen(text);

	while (n >= 3 && !memcmp(text + n - 3, bad, 3))
		n -= 3;
	return n;
}

/* Prints what the new token adds. Text is decoded from the first token
 * each time, since a token's text depends on those before it. */
static int print_text(struct session *s, int last)
{
	char *text;
	size_t n;
	int err;

	TRY(s->text->decode(s->text->ctx, s->id, s->nid, &text));
	n = last ? strlen(text) : whole_characters(text);
	err = n > s->printed ? io_out_write(&s->out, text + s->printed,
					    n - s->printed) : 0;
	s->printed = size_max(n, s->printed);
	free(text);
	return err ? err : io_out_flush(&s->out);
}

static int print_id(struct session *s, uint32_t id)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%s%u", s->printed ? " " : "", id);

	s->printed += (size_t)n;
	return io_out_write(&s->out, text, (size_t)n);
}

static int on_token(void *ctx, uint32_t id, int is_stop)
{
	struct session *s = ctx;

	if (show_ids)
		return print_id(s, id);
	if (is_stop)
		return 0;
	s->id[s->nid++] = id;
	return print_text(s, 0);
}

static int chat_text(struct session *s, const char *message, char **text)
{
	json_t *m = json_array();
	size_t n = 0;
	int err;

	if (system_text)
		n += !json_array_append_new(m, json_pack(
			"{s:s,s:s}", "role", "system", "content",
			system_text));
	n += !json_array_append_new(m, json_pack("{s:s,s:s}", "role", "user",
						 "content", message));
	if (n != 1 + !!system_text)
		err = err_set(E_USAGE, "the prompt is no UTF-8 text");
	else
		err = s->text->render(s->text->ctx, m, n, text);
	json_decref(m);
	return err;
}

static int read_prompt(struct session *s, struct text_ids *ids)
{
	size_t size;

	if (prompt_file) {
		TRY(io_read_file(&s->prompt_text, &size, prompt_file,
				 1 << 26));
		prompt = s->prompt_text;
	}
	if (chat) {
		char *text;

		TRY(chat_text(s, prompt, &text));
		free(s->prompt_text);
		prompt = s->prompt_text = text;
	}
	return s->text->encode(s->text->ctx, prompt, strlen(prompt), chat,
			       ids);
}

static int write_on(struct session *s, const struct text_ids *ids)
{
	struct scorer_need room = {
		.tokens = size_min(size_max(ids->n, 1), 512), .sequences = 1,
		.cache_tokens = ids->n + most, .slots = 1,
		.memory = opt_common.memory,
	};
	struct decode_need need = {
		.stop = s->text->stop, .nstop = s->text->nstop, .most = most,
	};
	struct sampler *sampler = NULL;
	struct scorer *scorer = NULL;
	int err;

	s->id = calloc(most + 1, sizeof(*s->id));
	err = s->id ? 0 : err_set(E_NOMEM, "out of memory");
	if (!err)
		err = sampler_new(&sampler, &how,
				  program_vocab(s->model.program));
	if (!err)
		err = scorer_new(&scorer, s->model.program, s->pool, &room);
	if (!err)
		err = decode(scorer, sampler, ids->at, ids->n, &need, on_token,
			     s);
	if (!err && !show_ids)
		err = print_text(s, 1);
	if (!err)
		err = io_out_write(&s->out, "\n", 1);
	scorer_free(scorer);
	sampler_free(sampler);
	return err;
}

static int open_adapters(struct session *s)
{
	if (field)
		return adapters_by_field(&s->model, &s->named, &s->field,
					 field);
	if (s->named.n > 1)
		return err_set(E_USAGE, "%zu adapters: --adapter-field says "
			       "by which field of --data's records one is "
			       "chosen", s->named.n);
	return s->named.n ? adapters_use(&s->model, &s->named, 0) : 0;
}

static int open_model(struct session *s, char **operands)
{
	TRY(family_bring(opt_common.arch));
	TRY(named_collect(&s->named, &s->in, operands, &adapters,
			  opt_common.memory, agent));
	TRY(model_open(&s->model, &s->in.base.tensors, NULL, NULL));
	TRY(open_adapters(s));
	program_compute(s->model.program, compute);
	TRY(base_text_open(&s->text, &s->in.base, chat_template));
	return base_text_chat(s->text) ?
	       chat_set_all(base_text_chat(s->text), variables) : 0;
}

static int check_options(void)
{
	if (!prompt + !prompt_file + !data != 2)
		return err_set(E_USAGE, "want one of -p PROMPT, --prompt-file "
			       "and --data");
	if (field && !data)
		return err_set(E_USAGE, "--adapter-field is for --data");
	if (data && show_ids)
		return err_set(E_USAGE, "--ids is not for --data");
	if (system_text && !chat)
		return err_set(E_USAGE, "--system is for --chat");
	return sampling_check(&how);
}

static int answer_prompt(struct session *s)
{
	struct text_ids ids = { 0 };
	int err = read_prompt(s, &ids);

	if (!err)
		err = io_out_open(&s->out, opt_common.output, 0);
	if (!err) {
		err = write_on(s, &ids);
		if (err)
			io_out_abandon(&s->out);
		else
			err = io_out_commit(&s->out);
	}
	free(ids.at);
	return err;
}

static int answer_data(struct session *s)
{
	const struct answer_options o = {
		.data = data, .field = field ? &s->field : NULL, .how = how,
		.most = most, .at_once = at_once, .system = system_text,
		.chat = chat, .memory = opt_common.memory,
	};
	struct json_lines lines;
	int err;

	TRY(json_lines_open(&lines, opt_common.output, 0));
	err = answer_all(s->model.program, s->pool, s->text, &o,
			 json_lines_add, &lines);
	return json_lines_end(&lines, err);
}

static int run(char **operands)
{
	struct session s = { 0 };
	int err = check_options();

	if (!err)
		err = open_model(&s, operands);
	if (!err)
		err = pool_new(&s.pool, opt_common.threads
				? opt_common.threads : os_cpus());
	if (!err)
		err = data ? answer_data(&s) : answer_prompt(&s);
	free(s.id);
	free(s.prompt_text);
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
