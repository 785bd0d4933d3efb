/* quantize-nf4 - store a model's linear weights as 4-bit NormalFloat */
#include <stdio.h>

#include "arch/family.h"
#include "base/opt.h"
#include "base/os.h"
#include "base/par.h"
#include "base/sig.h"
#include "formats/linear_filter.h"
#include "quant/nf4_choice.h"
#include "train/recipe.h"
#include "train/run_log.h"

static struct nf4_choice choice = NF4_CHOICE;
static const char *skip, *recipe;

static struct opt own[] = {
	NF4_OPTIONS(choice),
	{ "skip", 0, OPT_TEXT, &skip, "REGEX",
	  "leave a linear weight alone when this is found in its name",
	  .flags = OPT_RECORD },
	{ "recipe", 0, OPT_TEXT, &recipe, "FILE",
	  "which weights, and how: docs/methods.md; what it gives to other "
	  "programs passes", .flags = OPT_RECORD },
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
	"With --recipe a file says which weights are stored so, each with its "
	"own options; the same file tells quantize-int(1), lora-init(1) and "
	"peft-step(1) their part. It is checked against the model before the "
	"first weight.\n\n"
	"A GGUF's blocks are decoded and rounded to bf16 first, whether they "
	"come from a .gguf file or in a stream.\n\n"
	"A weight that is NaN or infinite is refused, with its place. One "
	"tensor is in memory at a time.",
	.examples =
	"quantize-nf4 < base.st | peft-step -r 8 -d chat.jsonl > adapter.st\n"
	"quantize-nf4 ./SmolLM2-135M-Instruct -o base.nf4.st\n"
	"quantize-nf4 --icq --log entropy.jsonl base.st -o base.icq.st\n"
	"quantize-int --recipe r.json -d t.txt base.st |\n"
	"        quantize-nf4 --recipe r.json | peft-step --recipe r.json "
	"-d d.jsonl\n"
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
	struct recipe recipe;
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
	struct quant_nf4 how = w->how;
	const struct recipe_rule *rule;
	int err;

	if (recipe) {
		TRY(recipe_ours(&w->recipe, RECIPE_NF4, from->name, &rule));
		how = rule->nf4;
	}
	how.gain = &gain;
	TRY(quant_nf4(to, from, &how, w->pool));
	err = how.icq ? report(w, from->name, &gain) : 0;
	if (err)
		tensor_release(to);
	return err;
}

static int wanted(void *ctx, const char *name, int *yes)
{
	const struct work *w = ctx;
	const struct recipe_rule *rule;

	TRY(recipe_ours(&w->recipe, RECIPE_NF4, name, &rule));
	*yes = rule != NULL;
	return 0;
}

static int meet(void *ctx, json_t *config)
{
	const struct work *w = ctx;

	return recipe_meets(&w->recipe, config);
}

static int choose(struct work *w, struct linear_filter *f)
{
	TRY(recipe_given(&w->recipe, &recipe, own, "recipe"));
	f->skip = skip;
	if (recipe) {
		f->wanted = wanted;
		f->config = meet;
	}
	return nf4_choice_how(&w->how, &w->icq, &choice);
}

static int run(struct work *w, struct linear_filter *f, char *const *operands)
{
	TRY(choose(w, f));
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
	recipe_release(&w.recipe);
	pool_free(w.pool);
	return err;
}
