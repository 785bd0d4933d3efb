/* st-import - turn foreign models and adapters into tensor streams */
#include <stdio.h>
#include <stdlib.h>

#include "arch/family.h"
#include "base/opt.h"
#include "base/os.h"
#include "base/par.h"
#include "base/sig.h"
#include "formats/filter.h"
#include "weight/plain.h"
#include "weight/storage.h"

enum { KEEP };

static const enum dtype want[] = {
	DTYPE_NONE, DTYPE_F32, DTYPE_BF16, DTYPE_F16,
};

static int dtype = KEEP, blocks;
static const char *base;

static struct opt own[] = {
	{ "dtype", 0, OPT_CHOICE, &dtype, "TYPE",
	  "store dense weights in this type",
	  .alias = "torch-dtype outtype", .choices = "keep|f32|bf16|f16",
	  .flags = OPT_RECORD },
	{ "blocks", 0, OPT_CHOICE, &blocks, "HOW",
	  "decode a GGUF's blocks, or keep them as they are",
	  .choices = "decode|keep", .flags = OPT_RECORD },
	{ "base", 0, OPT_TEXT, &base, "MODEL",
	  "the model that a GGUF adapter is for, where its file does not say "
	  "how many heads that has" },
	{ 0 }
};

static const struct opt_program program = {
	.name = "st-import",
	.brief = "turn foreign models and adapters into tensor streams",
	.usage = "[option ...] model ...",
	.about =
	"Reads a Hugging Face model directory (safetensors, in one file or "
	"several), a single .safetensors file, a .gguf file (a model, or a "
	"LoRA adapter), or a PEFT adapter directory, and writes it as a "
	"stream. Which of them it is is "
	"found out, never said. Streams are accepted too and pass through.\n\n"
	"Tensors keep their Hugging Face names and come layer by layer. The "
	"directory's side files (config.json, tokenizer.json and their like) "
	"travel with them, byte for byte. Pickles (.bin, .pt) are programs "
	"and are never read.\n\n"
	"bitsandbytes' 4-bit checkpoints (NF4 and FP4, double-quantised or "
	"not) come as they are. Of a model that sees or hears, the text model "
	"is taken if nothing else is there.\n\n"
	"Dense weights keep their type, unless --dtype says otherwise: then "
	"they are rounded to nearest, ties to even. A GGUF's blocks (Q4_0, "
	"Q4_1, Q5_0, Q5_1, Q8_0, Q2_K to Q6_K, IQ4_NL) are decoded and rounded "
	"to bf16, or to the type of --dtype (f32 is exact); --blocks keep "
	"keeps them, to be trained on as they are. Programs that compute keep "
	"them by themselves when they are given a .gguf file. Its rows of "
	"queries and keys are put back into Hugging Face's order, and "
	"config.json, generation_config.json, tokenizer.json, "
	"tokenizer_config.json and gguf.json (its name, authors, licence, "
	"tags) are made from its metadata.\n\n"
	"A GGUF adapter's B is put back into that order too. One that "
	"st-export wrote says by itself what that takes; of another, --base "
	"names the model, of which config.json is read. Programs that read a "
	"model before the adapter need no --base.\n\n"
	"Every file is taken for hostile: lengths, offsets, names and shapes "
	"are checked against the file and against config.json. A tensor that "
	"the model's family does not have, or a setting that changes the "
	"mathematics in a way not known here, is refused by name.",
	.examples =
	"st-import SmolLM2-135M-Instruct/ > base.st\n"
	"st-import model.Q4_1.gguf | quantize-nf4 > base.nf4.st\n"
	"st-import --dtype bf16 -o base.st model/\n"
	"st-import my-adapter/ | peft-step -d more.jsonl base.st - > next.st",
	.see = "st-export(1), st-ls(1), st(5)",
	.own = own,
	.shared = opt_shared,
	.without = "memory log",
};

static int left_alone(const struct tensor *t, enum dtype d)
{
	if (storage_is_blocks(t))
		return blocks;
	return !tensor_is_plain(t) || t->dtype == d ||
	       !dtype_is_float(t->dtype);
}

static int import(void *ctx, struct source *from, const struct item *item,
		  struct sink *to)
{
	struct tensor *t = item->tensor, other = { 0 };
	enum dtype d = want[dtype];
	int err;

	(void)ctx;
	if (dtype == KEEP || left_alone(t, d))
		return sink_pass(to, from, item);
	TRY(source_load(from));
	TRY(weight_plain(&other, t, d));
	err = sink_tensor(to, &other);
	tensor_release(&other);
	return err;
}

static int run(char *const *operands)
{
	/* Blocks become the type of --dtype with one rounding, not two. */
	const struct filter f = { .kind = STREAM_BASE, .tensor = import,
				  .keep_blocks = blocks || dtype != KEEP,
				  .base = base };
	struct pool *pool;
	int err;

	TRY(family_bring(opt_common.arch));
	TRY(pool_new(&pool, opt_common.threads ? opt_common.threads :
						 os_cpus()));
	err = filter_run(&f, &program, operands, pool);
	pool_free(pool);
	return err;
}

int main(int argc, char **argv)
{
	char **operands;
	size_t noperand;
	int done, err;

	sig_init();
	err = opt_parse(&program, argc, argv, &operands, &noperand, &done);
	if (done)
		return err;
	if (!err)
		err = run(operands);
	if (err)
		fprintf(stderr, "%s: %s\n", program.name, err_text());
	return err;
}
