/* quantize-int - store a model's linear weights as small whole numbers */
#include <stdio.h>
#include <string.h>

#include "arch/family.h"
#include "base/digest.h"
#include "base/opt.h"
#include "base/os.h"
#include "base/par.h"
#include "base/regex.h"
#include "base/sig.h"
#include "formats/data_files.h"
#include "formats/hold_base.h"
#include "formats/linear_filter.h"
#include "infer/calibrate.h"
#include "quant/int_choice.h"
#include "train/recipe.h"
#include "train/run_log.h"

static struct int_choice choice = INT_CHOICE;
static size_t tokens = 16384, length = 512;
static double damp = 0.01;
static struct opt_list data;
static const char *skip, *recipe;

static struct opt own[] = {
	INT_OPTIONS(choice),
	{ "skip", 0, OPT_TEXT, &skip, "REGEX",
	  "leave a linear weight alone when this is found in its name",
	  .flags = OPT_RECORD },
	{ "recipe", 0, OPT_TEXT, &recipe, "FILE",
	  "which weights, and how: docs/methods.md; what it gives to other "
	  "programs passes", .flags = OPT_RECORD },
	{ "data", 'd', OPT_LIST, &data, "FILE",
	  "--gptq: text, JSONL, JSON or a data stream to calibrate with" },
	{ "calibration-tokens", 0, OPT_COUNT, &tokens, "N",
	  "--gptq: tokens of the data that are used, at most",
	  .flags = OPT_RECORD },
	{ "length", 0, OPT_COUNT, &length, "N",
	  "--gptq: tokens of a sequence at most", .alias = "max-seq-length",
	  .flags = OPT_RECORD },
	{ "damp", 0, OPT_REAL, &damp, "X",
	  "--gptq: share of the mean square of the inputs that is added to "
	  "each", .alias = "percdamp damp-percent", .flags = OPT_RECORD },
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
	"With --gptq the rounding of a weight is made up for by those after it "
	"in the row, so that products with the inputs that a layer really gets "
	"change least. The data goes through the model once, and each layer "
	"sees what the quantised layers before it give. The data is that of "
	"-d, and data streams in the input, which pass on; the base comes "
	"after them then. This holds the model in memory, and a layer's "
	"activations of all tokens. -v tells the mean square of each layer's "
	"change, --log writes it as JSON lines. Without --gptq one tensor is "
	"in memory at a time.\n\n"
	"A group must divide the rows; weights for which it does not are an "
	"error, which says what would do. The REGEX of --skip is a "
	"Perl-compatible one, searched for in the tensor's name.\n\n"
	"With --recipe a file says which weights are stored so, each with its "
	"own options, also whether by GPTQ; the same file tells "
	"quantize-nf4(1), lora-init(1) and peft-step(1) their part. It is "
	"checked against the model before the work.\n\n"
	"A weight that is NaN or infinite is refused, with its place.",
	.examples =
	"quantize-int --bits 4 base.st -o base.int4.st\n"
	"quantize-int --bits 3 --zero whole --scales f16 base.st > int3.st\n"
	"quantize-int --bits 3 --gptq -d texts.jsonl base.st -o gptq3.st\n"
	"cat base.st data.st | quantize-int --gptq | peft-step -r 8 > a.st\n"
	"quantize-int base.st | lora-init --method qalora -r 16 | "
	"peft-step -d chat.jsonl > adapter.st",
	.see = "QA-LoRA, arXiv:2309.14717; GPTQ, arXiv:2210.17323; IR-QLoRA, "
	       "arXiv:2402.05445; st(5), peft-step(1), merge-adapter(1)",
	.own = own,
	.shared = opt_shared,
	.without = "memory",
};

struct work {
	struct pool *pool;
	struct quant_int how;
	struct entropy entropy;
	struct linear_filter filter;
	struct recipe recipe;
	int calibrated;
	/* --gptq */
	struct regex *skip;
	struct hold_base hold;
	struct run_log log;
};

/* ---- which weights, and how ---- */

static int meet(void *ctx, json_t *config)
{
	const struct work *w = ctx;

	return recipe_meets(&w->recipe, config);
}

/* How a weight is quantised; NULL: it is left alone. */
static int how_of(const struct work *w, const char *name,
		  const struct quant_int **how, int *gptq)
{
	const struct recipe_rule *rule;
	size_t start, end;
	int skipped = 0;

	*how = NULL;
	if (recipe) {
		TRY(recipe_ours(&w->recipe, RECIPE_INT, name, &rule));
		*how = rule ? &rule->whole : NULL;
		*gptq = rule && rule->gptq;
		return 0;
	}
	if (w->skip)
		TRY(regex_search(w->skip, name, strlen(name), 0, &skipped,
				 &start, &end));
	*how = skipped ? NULL : &w->how;
	*gptq = choice.gptq;
	return 0;
}

static int wanted(void *ctx, const char *name, int *yes)
{
	const struct quant_int *how;
	int gptq;

	TRY(how_of(ctx, name, &how, &gptq));
	*yes = how != NULL;
	return 0;
}

static int choose(struct work *w)
{
	TRY(recipe_given(&w->recipe, &recipe, own, "recipe data "
			 "calibration-tokens length damp"));
	w->calibrated = recipe ? recipe_stores(&w->recipe, RECIPE_INT, 1) :
				 choice.gptq;
	if (!w->calibrated && data.n)
		return err_set(E_USAGE, "--data goes with --gptq: nothing else "
			       "looks at it");
	if (w->calibrated && (!tokens || !length))
		return err_set(E_USAGE, "--calibration-tokens and --length: "
			       "want at least 1");
	if (!(damp > 0 && damp <= 100))
		return err_set(E_USAGE, "--damp %g: want more than 0, and 100 "
			       "at most", damp);
	if (skip)
		TRY(regex_new(&w->skip, skip, strlen(skip), E_USAGE));
	w->filter.skip = skip;
	w->filter.wanted = wanted;
	w->filter.config = recipe ? meet : NULL;
	return int_choice_how(&w->how, &w->entropy, &choice);
}

/* ---- rounding: a tensor at a time ---- */

static int quantise(void *ctx, struct tensor *to, const struct tensor *from)
{
	const struct work *w = ctx;
	const struct quant_int *how;
	int gptq;

	TRY(how_of(w, from->name, &how, &gptq));
	return quant_int(to, from, how, w->pool);
}

/* ---- --gptq: all of the base ---- */

static int find(void *ctx, const char *name, const struct quant_int **how,
		int *gptq)
{
	struct work *w = ctx;

	w->filter.linear++;
	TRY(how_of(w, name, how, gptq));
	w->filter.done += *how != NULL;
	return 0;
}

static int report(void *ctx, const char *name, double error, double damped)
{
	struct work *w = ctx;
	json_t *line = json_pack("{s:s, s:f, s:f}", "tensor", name,
				 "output_error", error, "damp", damped);
	int err;

	if (opt_common.verbose || (damped > damp && !opt_common.quiet))
		fprintf(stderr, "%s: %s: mean square error of an output %.4g, "
			"damping %g\n", program.name, name, error, damped);
	if (!line)
		return err_set(E_NOMEM, "out of memory");
	err = run_log_line(&w->log, line);
	json_decref(line);
	return err;
}

static uint64_t bytes_of(const struct tensor_set *s)
{
	uint64_t all = 0;

	for (size_t i = 0; i < s->n; i++)
		if (s->at[i].role == ROLE_LINEAR)
			all += tensor_bytes(&s->at[i]);
	return all;
}

static int calibrate_all(struct work *w)
{
	const struct calibrate c = { damp, tokens, length, find, report, w };
	struct tensor_set *base = &w->hold.base.tensors;

	TRY(data_files_of(&w->hold.data, data.at, data.n, base));
	if (!w->hold.data.n)
		return err_set(E_DATA, "no data to calibrate with: give -d "
			       "FILE, or a data stream on the input");
	w->filter.before = bytes_of(base);
	TRY(calibrate(base, &w->hold.data, &c, w->pool));
	w->filter.after = bytes_of(base);
	return 0;
}

static int meet_base(const struct work *w)
{
	size_t size;
	const char *text = collection_file(&w->hold.base, "config.json",
					   &size);
	json_t *config;
	int err;

	if (!recipe || !text)
		return 0;
	TRY(json_parse(&config, text, size));
	err = recipe_meets(&w->recipe, config);
	json_decref(config);
	return err;
}

static int write_all(struct work *w, struct source *from, struct sink *to)
{
	unsigned char digest[DIGEST_SIZE];

	TRY(hold_base_read(&w->hold, from, to));
	TRY(meet_base(w));
	TRY(calibrate_all(w));
	TRY(samples_digest(&w->hold.data, digest));
	return hold_base_write(&w->hold, to, &program, digest);
}

static int run_gptq(struct work *w, char *const *operands)
{
	struct sink_options o = {
		.level = opt_common.raw ? 0 : (int)opt_common.level,
		.pool = w->pool,
	};
	struct source *from;
	struct sink *to;
	int err;

	TRY(source_open(&from, operands));
	err = sink_open(&to, opt_common.output, &o);
	if (!err) {
		err = write_all(w, from, to);
		if (err)
			sink_abort(to, err, program.name);
		else
			err = sink_close(to);
	}
	source_close(from);
	return err;
}

static int run(struct work *w, char *const *operands)
{
	TRY(choose(w));
	TRY(family_bring(opt_common.arch));
	TRY(run_log_open(&w->log, opt_common.log, 0));
	TRY(pool_new(&w->pool, opt_common.threads ? opt_common.threads :
						    os_cpus()));
	w->filter.quantise = quantise;
	w->filter.ctx = w;
	TRY(w->calibrated ? run_gptq(w, operands) :
			 linear_filter_run(&w->filter, &program, operands,
					   w->pool));
	return run_log_close(&w->log);
}

int main(int argc, char **argv)
{
	static struct work w = { .log.fd = -1 };
	char **operands, buf[200];
	const char *text;
	size_t noperand;
	int done, err;

	sig_init();
	err = opt_parse(&program, argc, argv, &operands, &noperand, &done);
	if (done)
		return err;
	if (!err)
		err = run(&w, operands);
	text = err ? err_text() : linear_filter_text(&w.filter, buf);
	if (text && (err || !opt_common.quiet))
		fprintf(stderr, "%s: %s\n", program.name, text);
	regex_free(w.skip);
	recipe_release(&w.recipe);
	hold_base_release(&w.hold);
	pool_free(w.pool);
	return err;
}
