/* quantize-int - store a model's linear weights as small whole numbers */
#include <stdio.h>

#include "base/opt.h"
#include "base/os.h"
#include "base/par.h"
#include "base/sig.h"
#include "formats/linear_filter.h"
#include "quant/quant_int.h"

static const enum dtype scale_types[] = { DTYPE_F32, DTYPE_F16, DTYPE_BF16 };
static size_t bits = 4, group = 32;
static int zero = GRID_REAL, scales, icq;
static const char *skip;

static struct opt own[] = {
	{ "bits", 0, OPT_COUNT, &bits, "N", "bits of a weight: 2, 3, 4 or 8",
	  .alias = "wbits w-bit", .flags = OPT_RECORD },
	{ "group", 0, OPT_COUNT, &group, "N",
	  "weights of a row that share a scale and a zero; 0: the whole row",
	  .alias = "group-size groupsize q-group-size", .flags = OPT_RECORD },
	{ "zero", 0, OPT_CHOICE, &zero, "KIND",
	  "what the zero of a group may be: any number, a code, or the code in "
	  "the middle", .choices = "real|whole|middle", .flags = OPT_RECORD },
	{ "scales", 0, OPT_CHOICE, &scales, "TYPE",
	  "type that scales are stored as", .choices = "f32|f16|bf16",
	  .flags = OPT_RECORD },
	{ "icq", 0, OPT_FLAG, &icq, NULL,
	  "stretch each group's range so that its codes hold the most "
	  "information; with --zero whole", .flags = OPT_RECORD },
	{ "skip", 0, OPT_TEXT, &skip, "REGEX",
	  "leave a linear weight alone when this is found in its name",
	  .flags = OPT_RECORD },
	{ 0 }
};

static const struct opt_program program = {
	.name = "quantize-int",
	.brief = "store a model's linear weights as small whole numbers",
	.usage = "[option ...] [base ...]",
	.about =
	"Reads a base model (a stream, a Hugging Face directory, a "
	".safetensors or a .gguf file; standard input without an operand) and "
	"writes it as a stream in which a weight of a linear layer is "
	"scale (code - zero), with a code of 2, 3, 4 or 8 bits and a scale and "
	"a zero for each group of weights in a row. Embeddings, norms, biases "
	"and the output head stay as they are, and so does everything that is "
	"not a base: data or adapters in the same input pass through.\n\n"
	"With --zero real the codes reach from the least weight of a group to "
	"its largest, and the zero is an f32. With whole the range has 0 in it "
	"and the zero is a code, a byte; with middle the range is as wide "
	"below 0 as above, and the zero is not stored for each group. 4 bits "
	"in groups of 32 with f32 scales take 6 bits a weight, with --zero "
	"whole --scales f16 4.75.\n\n"
	"Such a base is what QA-LoRA needs: merge-adapter(1) merges its "
	"adapter into the zeros alone, and the model stays as small as it "
	"is.\n\n"
	"A group must divide the rows; weights for which it does not are an "
	"error, which says what would do. The REGEX of --skip is a "
	"Perl-compatible one, searched for in the tensor's name.\n\n"
	"A weight that is NaN or infinite is refused, with its place. One "
	"tensor is in memory at a time.",
	.examples =
	"quantize-int --bits 4 base.st -o base.int4.st\n"
	"quantize-int --bits 3 --zero whole --scales f16 base.st > int3.st\n"
	"quantize-int base.st | lora-init --method qalora -r 16 | "
	"peft-step -d chat.jsonl > adapter.st",
	.see = "QA-LoRA, arXiv:2309.14717; IR-QLoRA, arXiv:2402.05445; st(5), "
	       "peft-step(1), merge-adapter(1)",
	.own = own,
	.shared = opt_shared,
	.without = "memory log",
};

struct work {
	struct pool *pool;
	struct quant_int how;
	struct entropy entropy;
};

static int quantise(void *ctx, struct tensor *to, const struct tensor *from)
{
	const struct work *w = ctx;

	return quant_int(to, from, &w->how, w->pool);
}

static int choose(struct work *w)
{
	if (!quant_int_bits_ok(bits))
		return err_set(E_USAGE, "--bits %zu: want 2, 3, 4 or 8", bits);
	if (icq && zero != GRID_WHOLE)
		return err_set(E_USAGE, "--icq goes with --zero whole");
	w->how = (struct quant_int){
		.grid = { (int)bits, (enum int_grid_zero)zero,
			  scale_types[scales], icq ? &w->entropy : NULL },
		.group = group,
	};
	entropy_init(&w->entropy);
	return 0;
}

static int run(struct work *w, struct linear_filter *f, char *const *operands)
{
	TRY(choose(w));
	f->skip = skip;
	TRY(pool_new(&w->pool, opt_common.threads ? opt_common.threads :
						    os_cpus()));
	return linear_filter_run(f, &program, operands, w->pool);
}

int main(int argc, char **argv)
{
	static struct work w;
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
