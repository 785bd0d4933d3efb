/* st-import - turn foreign models and adapters into tensor streams */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "arch/family.h"
#include "base/opt.h"
#include "base/os.h"
#include "base/par.h"
#include "base/sig.h"
#include "base/size.h"
#include "formats/filter.h"

enum { KEEP };

static const enum dtype want[] = {
	DTYPE_NONE, DTYPE_F32, DTYPE_BF16, DTYPE_F16,
};

static int dtype = KEEP;

static struct opt own[] = {
	{ "dtype", 0, OPT_CHOICE, &dtype, "TYPE",
	  "store dense weights in this type",
	  .alias = "torch-dtype outtype", .choices = "keep|f32|bf16|f16",
	  .flags = OPT_RECORD },
	{ 0 }
};

static const struct opt_program program = {
	.name = "st-import",
	.brief = "turn foreign models and adapters into tensor streams",
	.usage = "[option ...] model ...",
	.about =
	"Reads a Hugging Face model directory (safetensors, in one file or "
	"several), a single .safetensors file, a .gguf file, or a PEFT "
	"adapter directory, and writes it as a stream. Which of them it is is "
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
	"Q4_1, Q8_0) are decoded and rounded to bf16, its rows of queries "
	"and keys are put back into Hugging Face's order, and config.json, "
	"generation_config.json, tokenizer.json and tokenizer_config.json are "
	"made from its metadata.\n\n"
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

/* Does a finite value of x become infinite as d? */
static int overflows(enum dtype d, const float *x, size_t n)
{
	for (size_t i = 0; i < n && d == DTYPE_F16; i++)
		if (isfinite(x[i]) && fabsf(x[i]) >= 65520)
			return 1;
	return 0;
}

/* The same values in another type. */
static int convert(struct tensor *to, const struct tensor *t, enum dtype d)
{
	enum { CHUNK = 64 << 10 };
	float *chunk = NULL;
	int err = tensor_init(to, t->name, t->role, d, t->rank, t->shape);

	if (!err)
		err = tensor_alloc(to);
	if (!err && !(chunk = malloc(CHUNK * sizeof(*chunk))))
		err = err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < t->count && !err; i += CHUNK) {
		size_t n = size_min(CHUNK, t->count - i);
		const char *src = t->part[0].data;
		char *dst = to->part[0].data;

		if (dtype_to_f32(chunk, t->dtype,
				 src + i * dtype_bits(t->dtype) / 8, n) ||
		    dtype_from_f32(dst + i * dtype_bits(d) / 8, d, chunk, n))
			err = err_set(E_BUG, "%s: no float", t->name);
		else if (overflows(d, chunk, n))
			err = err_set(E_DATA, "%s: a value is too large for "
				      "%s", t->name, dtype_name(d));
	}
	free(chunk);
	return err;
}

static int import(void *ctx, struct source *from, const struct item *item,
		  struct sink *to)
{
	struct tensor *t = item->tensor, other = { 0 };
	enum dtype d = want[dtype];
	int err;

	(void)ctx;
	if (dtype == KEEP || !tensor_is_plain(t) || t->dtype == d ||
	    !dtype_is_float(t->dtype))
		return sink_pass(to, from, item);
	TRY(source_load(from));
	err = convert(&other, t, d);
	if (!err)
		err = sink_tensor(to, &other);
	tensor_release(&other);
	return err;
}

static int run(char *const *operands)
{
	const struct filter f = { .kind = STREAM_BASE, .tensor = import };
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
