/* lora-init - begin an adapter for a model */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapt/adapter_choice.h"
#include "adapt/match.h"
#include "adapt/spec.h"
#include "arch/family.h"
#include "base/opt.h"
#include "base/sig.h"
#include "formats/collect.h"
#include "formats/sink.h"

static struct adapter_choice choice = ADAPTER_CHOICE;
static const char *from;
static int only;

static struct opt own[] = {
	ADAPTER_OPTIONS(choice),
	{ "only", 0, OPT_FLAG, &only, NULL,
	  "write the adapter alone, without the inputs" },
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
	"--method qalora makes QA-LoRA's adapter for a base of "
	"quantize-int(1): A has a column for each group of weights that share "
	"a scale, so that the update merges into the zeros and the base stays "
	"as small as it is. --method iec adds IR-QLoRA's elastic connection: "
	"means of the inputs beside A, and its outputs, repeated, beside B.\n\n"
	"With --from the adapter is an old one's copy, without the state of "
	"its training: its next training is a new one. The options that say "
	"what the adapter is are then errors.\n\n"
	"peft-step -r N makes the same adapter where its input has none. Only "
	"shapes are looked at, and one tensor is in memory at a time, beside "
	"the adapter.",
	.examples =
	"lora-init -r 8 base.st | peft-step -d chat.jsonl > adapter.st\n"
	"lora-init --only -r 16 --target-modules q_proj,v_proj base.st > a.st\n"
	"lora-init --only --layers 20-29 --modules-to-save lm_head base.st > a",
	.see = "LoRA, arXiv:2106.09685; rsLoRA, arXiv:2312.03732; QA-LoRA, "
	       "arXiv:2309.14717; IR-QLoRA, arXiv:2402.05445; st(5), "
	       "peft-step(1), merge-adapter(1)",
	.own = own,
	.shared = opt_shared,
	.without = "memory log",
};

struct work {
	json_t *config;
	struct adapter_sites sites;
	struct adapter_set set;
	struct tensor_set saved;        /* weights that will be trained whole */
	struct collection old;          /* --from */
	struct source *in;
	struct sink *out;
	size_t nbase;
};

/* ---- the inputs ---- */

/* Does modules_to_save name this weight? Then its values are needed. */
static int is_saved(const struct work *w, const struct tensor *t, int *yes)
{
	const char *module = w->sites.n ? w->sites.at[w->sites.n - 1].module :
					  "";
	size_t len = strlen(module);

	*yes = 0;
	if (from || strncmp(t->name, module, len) ||
	    strcmp(t->name + len, ".weight"))
		return 0;
	return match_rule(json_object_get(w->config, "modules_to_save"),
			  module, t->role, yes);
}

/* Keeps a copy of the weight in f32. */
static int keep(struct work *w, const struct tensor *t)
{
	struct tensor copy;
	int err = tensor_init(&copy, t->name, t->role, DTYPE_F32, t->rank,
			      t->shape);

	if (!err)
		err = tensor_alloc(&copy);
	if (!err)
		err = weight_decode(t, copy.part[0].data, 0, t->count);
	if (!err)
		err = tensor_set_take(&w->saved, &copy);
	tensor_release(&copy);
	return err;
}

static int look(struct work *w, const struct item *item)
{
	int saved;

	if (item->stream != STREAM_BASE)
		return 0;
	w->nbase += item->kind == ITEM_HEAD;
	if (w->nbase > 1)
		return err_set(E_DATA, "two bases on the input");
	if (item->kind != ITEM_TENSOR)
		return 0;
	TRY(adapter_sites_add(&w->sites, item->tensor));
	TRY(is_saved(w, item->tensor, &saved));
	if (!saved)
		return 0;
	TRY(source_load(w->in));
	return keep(w, item->tensor);
}

static int read_inputs(struct work *w)
{
	for (;;) {
		struct item item;

		TRY(source_next(w->in, &item));
		if (item.kind == ITEM_NONE)
			break;
		if (look(w, &item))
			return err_at(E_DATA, "%s", source_name(w->in));
		if (!only)
			TRY(sink_pass(w->out, w->in, &item));
	}
	if (!w->nbase)
		return err_set(E_DATA, "no base on the input");
	return 0;
}

/* ---- the adapter ---- */

static int make(struct work *w)
{
	const struct collected *old = w->old.adapter;

	if (!from) {
		TRY(adapter_set_make(&w->set, w->config, &w->sites));
		TRY(adapter_set_place(&w->set, 0));
		return adapter_set_init(&w->set, &w->saved, choice.seed);
	}
	if (w->old.nadapter != 1)
		return err_set(E_DATA, "%s: not one adapter but %zu", from,
			       w->old.nadapter);
	TRY(adapter_set_read(&w->set, json_object_get(old->meta, "adapter"),
			     &old->tensors, &w->sites));
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
	TRY(adapter_set_tensors(&w->set, write_tensor, w->out));
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

static int run(struct work *w, char *const *operands)
{
	char *paths[] = { (char *)from, NULL };

	TRY(family_bring(opt_common.arch));
	TRY(adapter_choice_config(&w->config, &choice));
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
	adapter_sites_release(&w.sites);
	tensor_set_release(&w.saved);
	collection_release(&w.old);
	json_decref(w.config);
	return err;
}
