/* quantize-nf4 - store a model's linear weights as 4-bit NormalFloat */
#include <stdio.h>
#include <string.h>

#include "arch/family.h"
#include "base/opt.h"
#include "base/os.h"
#include "base/par.h"
#include "base/regex.h"
#include "base/sig.h"
#include "formats/filter.h"
#include "quant/quant_nf4.h"

static size_t block = 64;
static int nested = 1, bnb = QUANT_CPU;
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
	"The REGEX of --skip is a Perl-compatible one, searched for in the "
	"tensor's name, such as model.layers.0.mlp.down_proj.weight.\n\n"
	"A weight that is NaN or infinite is refused, with its place. One "
	"tensor is in memory at a time.",
	.examples =
	"quantize-nf4 < base.st | peft-step -r 8 -d chat.jsonl > adapter.st\n"
	"quantize-nf4 ./SmolLM2-135M-Instruct -o base.nf4.st\n"
	"quantize-nf4 --skip 'layers\\.(0|1)\\.' --block 128 base.st > out.st",
	.see = "QLoRA, arXiv:2305.14314; st(5), peft-step(1), st-export(1)",
	.own = own,
	.shared = opt_shared,
	.without = "memory log",
};

struct work {
	struct regex *skip;
	struct pool *pool;
	struct quant_nf4 how;
	size_t linear;          /* tensors seen, also those left alone */
	size_t done;
	uint64_t before, after; /* their bytes */
};

static int left_alone(const struct work *w, const char *name, int *yes)
{
	size_t start, end;

	*yes = 0;
	if (!w->skip)
		return 0;
	return regex_search(w->skip, name, strlen(name), 0, yes, &start, &end);
}

static int quantise(void *ctx, struct source *from, const struct item *item,
		    struct sink *to)
{
	struct work *w = ctx;
	struct tensor t;
	int err, alone;

	if (item->tensor->role != ROLE_LINEAR)
		return sink_pass(to, from, item);
	w->linear++;
	TRY(left_alone(w, item->tensor->name, &alone));
	if (alone)
		return sink_pass(to, from, item);
	if (!tensor_is_plain(item->tensor))
		return err_set(E_DATA, "%s: it is quantised already",
			       item->tensor->name);
	TRY(source_load(from));
	TRY(quant_nf4(&t, item->tensor, &w->how, w->pool));
	w->done++;
	w->before += tensor_bytes(item->tensor);
	w->after += tensor_bytes(&t);
	err = sink_tensor(to, &t);
	tensor_release(&t);
	return err;
}

static int run(struct work *w, char *const *operands)
{
	struct filter f = { .kind = STREAM_BASE, .tensor = quantise, .ctx = w,
			    .required = 1 };

	if (!quant_nf4_block_ok(block))
		return err_set(E_USAGE, "--block %zu: want a power of two from "
			       "32 to 4096", block);
	w->how = (struct quant_nf4){ block, nested, (enum quant_rule)bnb };
	if (skip)
		TRY(regex_new(&w->skip, skip, strlen(skip), E_USAGE));
	TRY(family_bring(opt_common.arch));
	TRY(pool_new(&w->pool, opt_common.threads ? opt_common.threads :
						    os_cpus()));
	return filter_run(&f, &program, operands, w->pool);
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
	else if (!w.linear && !opt_common.quiet)
		fprintf(stderr, "%s: the base has no linear weight: nothing "
			"was quantised\n", program.name);
	else if (skip && w.done == w.linear && !opt_common.quiet)
		fprintf(stderr, "%s: --skip %s: no linear weight has that in "
			"its name\n", program.name, skip);
	else if (opt_common.verbose)
		fprintf(stderr, "%s: %zu of %zu linear weights, %.1f MB to "
			"%.1f MB\n", program.name, w.done, w.linear,
			(double)w.before * 1e-6, (double)w.after * 1e-6);
	regex_free(w.skip);
	pool_free(w.pool);
	return err;
}
