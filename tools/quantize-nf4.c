/* quantize-nf4 - store a model's linear weights as 4-bit NormalFloat */
#include <stdio.h>

#include "arch/family.h"
#include "base/opt.h"
#include "base/os.h"
#include "base/par.h"
#include "base/sig.h"
#include "formats/linear_filter.h"
#include "quant/quant_nf4.h"
#include "train/run_log.h"

static size_t block = 64;
static int nested = 1, bnb = QUANT_CPU, calibrate;
static size_t steps = 100;
static const char *skip;

static struct opt own[] = {
	{ "block", 0, OPT_COUNT, &block, "N",
	  "weights that share a scale: 32, 64, 128 ... 4096",
	  .alias = "blocksize block-size", .flags = OPT_RECORD },
	{ "double-quant", 0, OPT_FLAG, &nested, NULL,
	  "store the scales in 8 bits; --no-double-quant keeps them in f32",
	  .alias = "bnb-4bit-use-double-quant use-double-quant",
	  .flags = OPT_RECORD },
	{ "skip", 0, OPT_TEXT, &skip, "REGEX",
	  "leave a linear weight alone when this is found in its name",
	  .flags = OPT_RECORD },
	{ "bnb", 0, OPT_CHOICE, &bnb, "RULE",
	  "whose bytes: bitsandbytes' library on the CPU, or its CUDA kernels",
	  .choices = "cpu|cuda", .flags = OPT_RECORD },
	{ "icq", 0, OPT_FLAG, &calibrate, NULL,
	  "shift each block so that its codes hold the most information",
	  .flags = OPT_RECORD },
	{ "icq-steps", 0, OPT_COUNT, &steps, "N",
	  "shifts that --icq tries on either side of the block's median",
	  .flags = OPT_RECORD },
	{ 0 }
};

static const struct opt_program program = {
	.name = "quantize-nf4",
	.brief = "store a model's linear weights as 4-bit NormalFloat",
	.usage = "[option ...] [base ...]",
	.about =
	"Reads a base model (a stream, a Hugging Face directory, a "
	".safetensors or a .gguf file; standard input without an operand) and "
	"writes it as a stream in which every weight of a linear layer takes 4 "
	"bits and its share of a scale. Embeddings, norms, biases and the "
	"output head stay as they are, and so does everything that is not a "
	"base: data or adapters in the same input pass through.\n\n"
	"A scale is the largest magnitude of a block of weights, which run "
	"over the flattened tensor. By default the scales are quantised too, "
	"to 8 bits in blocks of 256: 4.127 bits a weight instead of 4.5.\n\n"
	"The codes, scales and offset are the bytes that bitsandbytes gives on "
	"the CPU. With --bnb cuda the rules are those of its CUDA kernels: a "
	"short last block is scaled as the others are, a block of zeros has "
	"code 0, and the nearest 8-bit code is taken.\n\n"
	"With --icq (IR-QLoRA's information calibration) a value is taken off "
	"the weights of a block before they are coded: of 201 around the "
	"block's median, the first that gives the codes the largest entropy. "
	"It is stored in 8 bits, 0.127 bits a weight. The mean entropy of the "
	"codes, and what it is without, go to standard error, with -v for each "
	"tensor, and as JSON lines to --log.\n\n"
	"The REGEX of --skip is a Perl-compatible one, searched for in the "
	"tensor's name, such as model.layers.0.mlp.down_proj.weight.\n\n"
	"A GGUF's blocks are decoded and rounded to bf16 first, whether they "
	"come from a .gguf file or in a stream.\n\n"
	"A weight that is NaN or infinite is refused, with its place. One "
	"tensor is in memory at a time.",
	.examples =
	"quantize-nf4 < base.st | peft-step -r 8 -d chat.jsonl > adapter.st\n"
	"quantize-nf4 ./SmolLM2-135M-Instruct -o base.nf4.st\n"
	"quantize-nf4 --icq --log entropy.jsonl base.st -o base.icq.st\n"
	"quantize-nf4 --skip 'layers\\.(0|1)\\.' --block 128 base.st > out.st",
	.see = "QLoRA, arXiv:2305.14314; IR-QLoRA, arXiv:2402.05445; st(5), "
	       "peft-step(1), st-export(1)",
	.own = own,
	.shared = opt_shared,
	.without = "memory",
};

struct work {
	struct pool *pool;
	struct quant_nf4 how;
	struct icq icq;
	struct icq_gain all;
	struct run_log log;
};

static void say(const char *name, const struct icq_gain *g)
{
	double n = g->blocks ? (double)g->blocks : 1;

	fprintf(stderr, "%s: %s: entropy of a code %.4f bits, %.4f without "
		"--icq\n", program.name, name, g->shifted / n, g->plain / n);
}

static int report(struct work *w, const char *name, const struct icq_gain *g)
{
	double n = g->blocks ? (double)g->blocks : 1;
	json_t *line = json_pack("{s:s, s:f, s:f}", "tensor", name, "entropy",
				 g->shifted / n, "entropy_plain",
				 g->plain / n);
	int err;

	w->all.plain += g->plain;
	w->all.shifted += g->shifted;
	w->all.blocks += g->blocks;
	if (opt_common.verbose)
		say(name, g);
	if (!line)
		return err_set(E_NOMEM, "out of memory");
	err = run_log_line(&w->log, line);
	json_decref(line);
	return err;
}

static int quantise(void *ctx, struct tensor *to, const struct tensor *from)
{
	struct work *w = ctx;
	struct icq_gain gain = { 0 };
	int err;

	w->how.gain = &gain;
	TRY(quant_nf4(to, from, &w->how, w->pool));
	err = calibrate ? report(w, from->name, &gain) : 0;
	if (err)
		tensor_release(to);
	return err;
}

static int choose(struct work *w)
{
	if (!quant_nf4_block_ok(block))
		return err_set(E_USAGE, "--block %zu: want a power of two from "
			       "32 to 4096", block);
	if (calibrate && (steps < 1 || steps > 100000))
		return err_set(E_USAGE, "--icq-steps %zu: want 1 to 100000",
			       steps);
	w->how = (struct quant_nf4){ block, nested, (enum quant_rule)bnb,
				     calibrate ? &w->icq : NULL, NULL };
	w->icq.steps = steps;
	entropy_init(&w->icq.entropy);
	return 0;
}

static int run(struct work *w, struct linear_filter *f, char *const *operands)
{
	TRY(choose(w));
	f->skip = skip;
	TRY(family_bring(opt_common.arch));
	TRY(run_log_open(&w->log, opt_common.log, 0));
	TRY(pool_new(&w->pool, opt_common.threads ? opt_common.threads :
						    os_cpus()));
	TRY(linear_filter_run(f, &program, operands, w->pool));
	if (w->all.blocks && !opt_common.quiet)
		say("all", &w->all);
	return run_log_close(&w->log);
}

int main(int argc, char **argv)
{
	static struct work w = { .log.fd = -1 };
	struct linear_filter f = { .quantise = quantise, .ctx = &w };
	char **operands, buf[200];
	const char *text;
	size_t noperand;
	int done, err;

	sig_init();
	err = opt_parse(&program, argc, argv, &operands, &noperand, &done);
	if (done)
		return err;
	if (!err)
		err = run(&w, &f, operands);
	text = err ? err_text() : linear_filter_text(&f, buf);
	if (text && (err || !opt_common.quiet))
		fprintf(stderr, "%s: %s\n", program.name, text);
	pool_free(w.pool);
	return err;
}
