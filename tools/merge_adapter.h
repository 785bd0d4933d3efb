/*
 * merge_adapter - merge-adapter's options and manual, and what it reports
 */
#ifndef TOOLS_MERGE_ADAPTER_H
#define TOOLS_MERGE_ADAPTER_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/opt.h"
#include "quant/requant.h"
#include "train/run_log.h"

static struct opt_list adapters, scales, data;
static int dtype, requantise, bnb = QUANT_CPU, peft_safe;
static size_t verify;
static double tolerance;
static uint64_t seed = 42;

static struct opt own[] = {
	{ "adapter", 'A', OPT_LIST, &adapters, "FILE",
	  "an adapter stream or PEFT directory; may be repeated" },
	{ "scale", 0, OPT_LIST, &scales, "X",
	  "how much of the update: one number for all adapters or one each (1)",
	  .flags = OPT_RECORD },
	{ "dtype", 0, OPT_CHOICE, &dtype, "TYPE",
	  "type of the merged model; keep: what each tensor was, or was "
	  "quantised from", .choices = "keep|f32|bf16|f16",
	  .flags = OPT_RECORD },
	{ "requantise", 0, OPT_FLAG, &requantise, NULL,
	  "quantise what was quantised again, and say what that loses",
	  .alias = "requantize", .flags = OPT_RECORD },
	{ "bnb", 0, OPT_CHOICE, &bnb, "RULE",
	  "with --requantise: bitsandbytes' bytes on the CPU or in CUDA",
	  .choices = "cpu|cuda", .flags = OPT_RECORD },
	{ "peft-safe", 0, OPT_FLAG, &peft_safe, NULL,
	  "round the update before it is added, as PEFT's safe_merge",
	  .alias = "safe-merge", .flags = OPT_RECORD },
	{ "verify", 0, OPT_COUNT, &verify, "N",
	  "run N tokens through base and adapters, and through the result; "
	  "holds both in memory, or with -m on disk" },
	{ "data", 'd', OPT_LIST, &data, "FILE",
	  "--verify: its tokens rather than random ones" },
	{ "tolerance", 0, OPT_REAL, &tolerance, "X",
	  "--verify: largest relative RMS of the logits' differences; 0: by "
	  "the type of the result" },
	{ "seed", 0, OPT_SEED, &seed, "N", "--verify: of the random tokens" },
	{ 0 }
};

static const struct opt_program program = {
	.name = "merge-adapter",
	.brief = "fold adapters into the model that they were trained on",
	.usage = "[option ...] [base or adapter ...]",
	.about =
	"Reads a base and one or more adapters, in any order, and writes the "
	"merged base, which needs no adapter: W + scale (alpha / r) B A for "
	"LoRA, the trained weight itself for a module that was trained whole, "
	"rounded once. One tensor of a base is in memory at a time.\n\n"
	"A quantised base is dequantised: an adapter that was trained on 4-bit "
	"weights belongs to these, not to the weights that they were made "
	"from (a warning says when a base is not the adapter's). --requantise "
	"quantises the merged weights again. This loses part of the update; a "
	"line for each tensor on standard error says how much is left:\n\n"
	"  delta      size of the update (Frobenius norm)\n"
	"  survived   share that is left in the update's direction; 1: all\n"
	"  error      size of what is wrong afterwards, in units of delta\n\n"
	"QA-LoRA's adapter goes into the zeros of a base of quantize-int(1): "
	"codes and scales stay, nothing is lost. --dtype makes it dense.\n\n"
	"When head and embedding are one tensor and an adapter changes one, "
	"the merged model has two, and tie_word_embeddings is false.\n\n"
	"Tokens that an adapter adds (peft-step --add-token) are in the merged "
	"base: its embedding and head have their rows, tokenizer.json and "
	"config.json say so, and no other byte of those files changes.\n\n"
	"A chat template that training took in place of the model's own "
	"(peft-step --template) is the merged model's, and the end of turn "
	"that was learned joins eos_token_id of generation_config.json, so "
	"that engines stop there.\n\n"
	"A prompt of prompt tuning becomes tokens of the vocabulary, "
	"<|weft_prompt_0|> and so on, with its rows as their embeddings: a "
	"text that begins with them all is the text behind the prompt, in any "
	"engine, and chat templates begin so. Embedding and head are then "
	"two, and f32 unless --dtype says otherwise; the rest stays as it is. "
	"A new token's logit is the mean of the others', so it is never the "
	"likeliest. A prefix cannot be merged.\n\n"
	"--verify runs both models, as they were read and as they are written, "
	"over the same tokens and compares the logits; when they differ by "
	"more than the tolerance, nothing is published and the status is 1. "
	"A prompt's tokens stand before them in the result. By "
	"default the tolerance is 1e-4 for f32 and merged zeros, which no "
	"logit may exceed either, as a share of its position's largest, 0.01 "
	"for f16, 0.05 for bf16 and 0.5 with --requantise.",
	.examples =
	"merge-adapter -A adapter.st base.st -o merged.st\n"
	"cat base.nf4.st adapter.st | merge-adapter | st-export --to hf out\n"
	"merge-adapter --requantise base.nf4.st adapter/ > merged.nf4.st\n"
	"merge-adapter -A prompt.st base.st | st-export --to hf out",
	.see = "LoRA, arXiv:2106.09685; peft-step(1), st-export(1), st(5)",
	.own = own,
	.shared = opt_shared,
};

/* Adapter i's, of n. */
static inline int read_scale(double *x, size_t i, size_t n)
{
	const char *text;
	char *end;

	*x = 1;
	if (scales.n > 1 && scales.n != n)
		return err_set(E_USAGE, "%zu values of --scale for %zu "
			       "adapters", scales.n, n);
	if (!scales.n)
		return 0;
	text = scales.at[scales.n == 1 ? 0 : i];
	*x = strtod(text, &end);
	if (end == text || *end || !isfinite(*x))
		return err_set(E_USAGE, "--scale %s: not a number", text);
	return 0;
}

static const enum dtype dtypes[] = { 0, DTYPE_F32, DTYPE_BF16, DTYPE_F16 };

static inline int check_prompt(const struct adapter_kind *kind,
			       size_t nadapter)
{
	if (kind != &adapt_prompt)
		return err_set(E_CONFIG, "a %s is keys and values of every "
			       "layer, which no weight of a model can hold; "
			       "--method prompt can be merged, and st-export "
			       "--to peft takes both", kind->name);
	if (nadapter > 1 || scales.n || requantise)
		return err_set(E_USAGE, "a soft prompt is merged alone, whole "
			       "and exactly: without other adapters, --scale "
			       "and --requantise");
	return 0;
}

static inline void warn_foreign(const struct gather *in,
				const unsigned char *base)
{
	for (size_t i = 0; i < in->nadapter && !opt_common.quiet; i++)
		if (gather_is_foreign(&in->adapter[i], base))
			fprintf(stderr, "%s: warning: adapter %zu was made "
				"for another base\n", program.name, i + 1);
}

/* ---- the report of --requantise, and the log ---- */

struct report {
	struct run_log log;
	struct requant_report all;
	size_t n;               /* tensors */
};

/* Takes line. */
static inline int report_line(struct report *r, json_t *line)
{
	int err = run_log_line(&r->log, line);

	json_decref(line);
	return err;
}

static inline void report_say(const char *name, const struct requant_report *r)
{
	char text[REQUANT_TEXT];

	if (!opt_common.quiet)
		fprintf(stderr, "%s\n", requant_text(text, name, r));
}

static inline int report_tensor(struct report *r, const char *name,
				const struct requant_report *one)
{
	json_t *line;

	if (!r->n++)
		report_say("tensor", NULL);
	report_say(name, one);
	requant_add(&r->all, one);
	TRY(requant_json(&line, name, one));
	return report_line(r, line);
}

static inline void report_all(const struct report *r)
{
	if (r->n)
		report_say("all", &r->all);
}

#endif
