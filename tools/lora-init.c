/* lora-init - begin an adapter for a model */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapt/adapter_choice.h"
#include "arch/family.h"
#include "base/opt.h"
#include "base/os.h"
#include "base/par.h"
#include "base/sig.h"
#include "formats/collect.h"
#include "formats/grow.h"
#include "formats/sink.h"
#include "formats/soft_text.h"
#include "train/begin.h"
#include "train/recipe.h"

static struct adapter_choice choice = ADAPTER_CHOICE;
static const char *from;
static int only, nested = 1;
static size_t iterations = 1;

static struct opt own[] = {
	ADAPTER_OPTIONS(choice),
	{ "only", 0, OPT_FLAG, &only, NULL,
	  "write the adapter alone, without the inputs" },
	{ "loftq-iter", 0, OPT_COUNT, &iterations, "N",
	  "loftq: how often it quantises", .flags = OPT_RECORD },
	{ "double-quant", 0, OPT_FLAG, &nested, NULL,
	  "loftq: store the scales in 8 bits; --no-double-quant: in f32",
	  .flags = OPT_RECORD },
	{ "from", 0, OPT_TEXT, &from, "FILE",
	  "an adapter whose shape and weights to begin with" },
	{ 0 }
};

static const struct opt_program program = {
	.name = "lora-init",
	.brief = "begin an adapter for a model",
	.usage = "[option ...] [base ...]",
	.about =
	"Reads a base model (a stream, a Hugging Face directory, a "
	".safetensors or a .gguf file; standard input without an operand), "
	"passes everything on, and adds an adapter stream: for each module "
	"that is chosen the two small matrices of LoRA, A (rank, in) uniform "
	"within 1 / sqrt(in) and B (out, rank) zero, so that the model is as "
	"it was. Training with peft-step(1) moves them.\n\n"
	"Modules are chosen as PEFT does it. A name of --target-modules is a "
	"module's whole name or its end after a dot; an entry with one of "
	"*+?[](){}|\\^$ is a regular expression for the whole name. "
	"--exclude-modules and --layers take some away again. Patterns give "
	"single modules another rank or alpha.\n\n"
	"--modules-to-save trains a module's own weight (embed_tokens, "
	"lm_head, a linear layer); a copy of it in f32 travels in the "
	"adapter.\n\n"
	"--add-token trains a token's row of the embedding (and of a head of "
	"its own); one that the vocabulary lacks is added by whatever reads "
	"base and adapter together. The base is passed on as it is.\n\n"
	"METHODS. --method dora trains each row's length apart from its "
	"direction, --method adalora lets modules lose ranks while they are "
	"trained (adalora-prune(1)). --init gaussian draws A from a normal "
	"distribution. The other choices of --init change the base too, which "
	"then goes with the adapter: pissa and olora take the first part of a "
	"decomposition out of each weight and train that; loftq quantises the "
	"weight to 4 bits and begins with what that lost.\n\n"
	"--method qalora makes QA-LoRA's adapter for a base of "
	"quantize-int(1): A has a column for each group of weights that share "
	"a scale, so that the update merges into the zeros and the base stays "
	"as small as it is. --method iec adds IR-QLoRA's elastic connection: "
	"means of the inputs beside A, and its outputs, repeated, beside B.\n\n"
	"SOFT PROMPTS. --method prompt makes --virtual-tokens rows that stand "
	"before every text as if they were embeddings of tokens; they begin as "
	"rows of the vocabulary that are drawn, as the tokens of "
	"--prompt-init-text, or (--prompt-init random) uniform within 0.5. "
	"--method prefix makes as many keys and values for every layer's "
	"attention, near zero at first. They have no rank, and stand at no "
	"module.\n\n"
	"With --recipe a file gives each module its own method and options: "
	"docs/methods.md has the form. It tells the quantisers their part "
	"too.\n\n"
	"With --from the adapter is an old one's copy, without the state of "
	"its training: its next training is a new one. The options that say "
	"what the adapter is are then errors.\n\n"
	"peft-step -r N makes the same adapter where its input has none. One "
	"tensor is in memory at a time, beside the adapter.",
	.examples =
	"lora-init -r 8 base.st | peft-step -d chat.jsonl > adapter.st\n"
	"lora-init --only -r 16 --target-modules q_proj,v_proj base.st > a.st\n"
	"lora-init --only --layers 20-29 --modules-to-save lm_head b.st > a\n"
	"lora-init --init loftq -r 16 base.st | peft-step -d chat.jsonl > a.st",
	.see = "LoRA, arXiv:2106.09685; rsLoRA, arXiv:2312.03732; DoRA, "
	       "arXiv:2402.09353; AdaLoRA, arXiv:2303.10512; PiSSA, "
	       "arXiv:2404.02948; LoftQ, arXiv:2310.08659; QA-LoRA, "
	       "arXiv:2309.14717; IR-QLoRA, arXiv:2402.05445; st(5), "
	       "peft-step(1), adalora-prune(1), merge-adapter(1)",
	.own = own,
	.shared = opt_shared,
	.without = "memory log",
};

struct work {
	json_t *config;
	struct begin begin;
	struct adapter_set set;
	struct collection old;          /* --from */
	struct collected files;         /* the base's, for a prompt's text */
	int has_text;
	struct grow_choice tokens;      /* --add-token */
	struct grow grow;
	size_t vocab;
	struct source *in;
	struct sink *out;
	struct pool *pool;
	size_t nbase;
};

/* ---- the inputs ---- */

/* Side files, of which the tokenizer is wanted; then, before the first weight,
 * the tokens of the text that a soft prompt begins as. */
static int read_text(struct work *w, const struct item *item)
{
	struct tensor copy;
	int err;

	if (!choice.prompt_text || w->has_text)
		return 0;
	if (item->tensor->role != ROLE_BLOB) {
		w->has_text = 1;
		return soft_text(w->config, &w->files, choice.prompt_text);
	}
	TRY(source_load(w->in));
	err = tensor_copy(&copy, item->tensor);
	if (!err)
		err = tensor_set_take(&w->files.tensors, &copy);
	tensor_release(&copy);
	return err;
}

/* Files of the base that say which tokens are new. */
static int read_file(struct work *w, const struct tensor *t)
{
	int config = !strcmp(t->name, "file/config.json");

	if (!choice.token.n || from || t->role != ROLE_BLOB ||
	    (!config && strcmp(t->name, "file/tokenizer.json")))
		return 0;
	TRY(source_load(w->in));
	if (!config)
		return grow_choose(&w->tokens, &choice.token, t->part[0].data,
				   t->part[0].bytes);
	w->vocab = grow_vocab(t->part[0].data, t->part[0].bytes);
	return 0;
}

/* Are the tokens' rows in this tensor? Then the adapter trains them. The base
 * is as it was, and whoever reads both adds the tokens to it. */
static int has_tokens(struct work *w, const struct tensor *t)
{
	if (!w->tokens.ids || !w->vocab)
		return 0;
	w->grow.added = w->tokens.added;
	grow_from(&w->grow, w->vocab);
	return grow_train(&w->tokens, w->config, t, w->vocab);
}

static int begin_grown(struct work *w, const struct tensor *t,
		       struct tensor *changed)
{
	struct tensor copy;
	int err = tensor_copy(&copy, t);

	if (!err)
		err = grow_tensor(&w->grow, &copy);
	if (!err)
		err = begin_take(&w->begin, &copy, changed);
	tensor_release(&copy);
	return err;
}

/* A base's tensor that the adapter's first values depend on, or change. */
static int take(struct work *w, const struct item *item)
{
	struct tensor changed = { 0 };
	int err;

	TRY(source_load(w->in));
	if (w->grow.was && grow_wants(&w->grow, item->tensor))
		TRY(begin_grown(w, item->tensor, &changed));
	else
		TRY(begin_take(&w->begin, item->tensor, &changed));
	err = only ? 0 : changed.name ? sink_tensor(w->out, &changed) :
					sink_pass(w->out, w->in, item);
	tensor_release(&changed);
	return err;
}

/* Meets a tensor of the base; load: take() wants it. */
static int meet(struct work *w, const struct tensor *t, int *load)
{
	struct tensor site = *t; /* as large as it will be */

	TRY(read_file(w, t));
	TRY(has_tokens(w, t));
	if (w->grow.was && t->role != ROLE_BLOB && grow_wants(&w->grow, t))
		site.shape[0] = w->grow.rows;
	return begin_look(&w->begin, &site, load);
}

static int look(struct work *w, const struct item *item)
{
	int load = 0;

	if (item->stream == STREAM_BASE) {
		w->nbase += item->kind == ITEM_HEAD;
		if (w->nbase > 1)
			return err_set(E_DATA, "two bases on the input");
		if (item->kind == ITEM_TENSOR && !from)
			TRY(read_text(w, item));
		if (item->kind == ITEM_TENSOR)
			TRY(meet(w, item->tensor, &load));
		if (load && !from)
			return take(w, item);
	}
	return only ? 0 : sink_pass(w->out, w->in, item);
}

static int read_inputs(struct work *w)
{
	for (;;) {
		struct item item;
		int err;

		TRY(source_next(w->in, &item));
		if (item.kind == ITEM_NONE)
			break;
		err = look(w, &item);
		if (err)
			return err_at(err, "%s", source_name(w->in));
	}
	if (!w->nbase)
		return err_set(E_DATA, "no base on the input");
	return 0;
}

/* ---- the adapter ---- */

static int make(struct work *w)
{
	const struct collected *old = w->old.adapter;

	if (!from && choice.token.n &&
	    !json_object_get(w->config, "trainable_token_indices"))
		return err_set(E_DATA, "--add-token: the base has no "
			       "tokenizer.json, config.json or embedding that "
			       "fits them");
	if (!from && choice.recipe)
		TRY(recipe_fits(choice.recipe, &w->begin.sites));
	if (!from) {
		TRY(begin_end(&w->begin, &w->set));
		return adapter_set_check(&w->set, ADAPT_ANY_STEPS);
	}
	if (w->old.nadapter != 1)
		return err_set(E_DATA, "%s: not one adapter but %zu", from,
			       w->old.nadapter);
	TRY(adapter_set_read(&w->set, json_object_get(old->meta, "adapter"),
			     &old->tensors, &w->begin.sites));
	TRY(adapter_set_place(&w->set, 0));
	return adapter_set_load(&w->set, &old->tensors);
}

static int write_tensor(void *out, const struct tensor *t)
{
	return sink_tensor(out, t);
}

/* What was read: the inputs, and --from's. */
static int write_provenance(struct work *w)
{
	const struct input_digest *input;
	size_t n = source_inputs(w->in, &input), more = w->old.ninput, i;
	struct input_digest *all = calloc(n + more + 1, sizeof(*all));
	json_t *record;
	int err = 0;

	if (!all)
		return err_set(E_NOMEM, "out of memory");
	memcpy(all, input, n * sizeof(*all));
	if (more) {
		memcpy(all + n, w->old.input, more * sizeof(*all));
		json_array_foreach(w->old.adapter->provenance, i, record)
			if (!err)
				err = sink_keep(w->out, record);
	}
	if (!err)
		err = sink_provenance(w->out, &program, all, n + more);
	free(all);
	return err;
}

static int write_adapter(struct work *w)
{
	TRY(sink_head(w->out, STREAM_ADAPTER));
	TRY(sink_meta(w->out, "adapter", w->set.config));
	TRY(adapter_set_tensors(&w->set, 0, write_tensor, w->out));
	TRY(write_provenance(w));
	return sink_end(w->out, NULL);
}

static int check_from(void)
{
	for (struct opt *o = own; o->name; o++) {
		if (o->given && o->flags & OPT_RECORD)
			return err_set(E_USAGE, "--%s: with --from the "
				       "adapter is as it is", o->name);
		o->flags &= ~(unsigned)OPT_RECORD;
	}
	return 0;
}

/* What --init means. */
static int settle(struct work *w)
{
	const char *init = adapter_init_name(choice.init);

	w->begin = (struct begin){
		.config = w->config, .seed = choice.seed,
		.start = start_find(init),
		.how = { .iterations = iterations,
			 .nf4 = { 64, nested, QUANT_CPU } },
	};
	if (!iterations)
		return err_set(E_USAGE, "--loftq-iter: at least 1");
	if ((iterations != 1 || !nested) && strcmp(init, "loftq"))
		return err_set(E_USAGE, "--%s: only with --init loftq",
			       nested ? "loftq-iter" : "no-double-quant");
	if (w->begin.start && only)
		return err_set(E_USAGE, "--init %s changes the base, which "
			       "--only would lose", init);
	TRY(pool_new(&w->pool, opt_common.threads ? opt_common.threads :
						    os_cpus()));
	w->begin.pool = w->pool;
	return 0;
}

static int run(struct work *w, char *const *operands)
{
	char *paths[] = { (char *)from, NULL };

	TRY(family_bring(opt_common.arch));
	TRY(recipe_take(&choice.recipe));
	TRY(recipe_config(&w->config, &choice, &program, NULL));
	TRY(settle(w));
	if (from) {
		TRY(check_from());
		TRY(collect(&w->old, paths));
	}
	TRY(source_open(&w->in, operands));
	source_keep_blocks(w->in);
	TRY(sink_open(&w->out, opt_common.output, &(struct sink_options){
		.level = opt_common.raw ? 0 : (int)opt_common.level }));
	TRY(read_inputs(w));
	TRY(make(w));
	return write_adapter(w);
}

int main(int argc, char **argv)
{
	struct work w = { 0 };
	char **operands;
	size_t noperand;
	int done, err;

	sig_init();
	err = opt_parse(&program, argc, argv, &operands, &noperand, &done);
	if (!err && done)
		return 0;
	if (!err)
		err = run(&w, operands);
	if (err)
		sink_abort(w.out, err, program.name);
	else
		err = sink_close(w.out);
	if (err)
		fprintf(stderr, "%s: %s\n", program.name, err_text());
	source_close(w.in);
	adapter_set_release(&w.set);
	begin_release(&w.begin);
	pool_free(w.pool);
	collection_release(&w.old);
	tensor_set_release(&w.files.tensors);
	grow_choice_release(&w.tokens);
	json_decref(w.config);
	return err;
}
