/* combine-adapters - one adapter of several */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapt/alone.h"
#include "adapt/combine.h"
#include "base/opt.h"
#include "base/sig.h"
#include "formats/collect.h"
#include "formats/sink.h"

static struct opt_list weights;
static size_t rank;
static int how, lora;

static struct opt own[] = {
	{ "how", 0, OPT_CHOICE, &how, NULL,
	  "cat: the sum, as it is; svd: the best of rank -r; linear: sums of A "
	  "and of B", .alias = "combination-type combine",
	  .choices = "cat|svd|linear", .flags = OPT_RECORD },
	{ "weight", 'w', OPT_LIST, &weights, "X",
	  "how much of an adapter's update: one number for all, or one each, "
	  "in their order (1)", .flags = OPT_RECORD },
	{ "rank", 'r', OPT_COUNT, &rank, "N",
	  "svd: the result's rank; 0: the largest of the inputs'",
	  .alias = "svd-rank", .flags = OPT_RECORD },
	{ "lora", 0, OPT_FLAG, &lora, NULL,
	  "write LoRA, of QA-LoRA too: A with a column for each input",
	  .flags = OPT_RECORD },
	{ 0 }
};

static const struct opt_program program = {
	.name = "combine-adapters",
	.brief = "make one adapter of several",
	.usage = "[option ...] [adapter ...]",
	.about =
	"Reads adapters (streams or PEFT directories), of one base, and writes "
	"one that does what they do together, as PEFT's "
	"add_weighted_adapter. No base is needed.\n\n"
	"cat stacks the factors, so the result is the exact weighted sum, of "
	"the sum of ranks. svd is the best approximation of that sum of rank "
	"-r. linear adds up the As, and the Bs, each with the root of its "
	"weight: the rank stays, but the products of one's B and another's A "
	"are in the result too.\n\n"
	"Any kind is taken that is a product of two factors: LoRA, AdaLoRA, "
	"QA-LoRA, IR-QLoRA's; the result is LoRA, also of one alone. Where all "
	"are QA-LoRA with the same groups and pooling it is QA-LoRA, and still "
	"merges into the zeros of its base; --lora makes it LoRA, for an "
	"engine that has no other. A DoRA adapter, a bias, "
	"or a module that was trained whole, cannot be added up without the "
	"base: merge-adapter(1) takes several.\n\n"
	"PISSA, OLORA. What lora-init --init pissa begins is relative to a "
	"base that it changed. The trained adapter minus the first one is "
	"relative to the original base: combine-adapters -w 1 -w -1 "
	"trained.st first.st.",
	.examples =
	"combine-adapters --how svd -r 8 -w 0.7 -w 0.3 a.st b.st > c.st\n"
	"combine-adapters a.st b.st | merge-adapter base.st - > merged.st\n"
	"combine-adapters --lora qa.st |\n"
	"        st-export --to gguf --base model.gguf a.gguf",
	.see = "peft-step(1), merge-adapter(1), st-export(1)",
	.own = own,
	.shared = opt_shared,
	.without = "memory log threads",
};

struct work {
	struct collection in;
	struct adapter_set *from, to;
	struct adapter_sites *sites;
	double *weight;
	struct sink *out;
};

static int read_weight(double *x, size_t i)
{
	const char *text;
	char *end;

	*x = 1;
	if (!weights.n)
		return 0;
	text = weights.at[weights.n == 1 ? 0 : i];
	*x = strtod(text, &end);
	if (end == text || *end || !isfinite(*x))
		return err_set(E_USAGE, "--weight %s: not a number", text);
	return 0;
}

static int open_all(struct work *w)
{
	size_t n = w->in.nadapter;

	if (!n)
		return err_set(E_DATA, "no adapter on the input");
	if (weights.n > 1 && weights.n != n)
		return err_set(E_USAGE, "%zu values of --weight for %zu "
			       "adapters", weights.n, n);
	w->from = calloc(n, sizeof(*w->from));
	w->sites = calloc(n, sizeof(*w->sites));
	w->weight = calloc(n, sizeof(*w->weight));
	if (!w->from || !w->sites || !w->weight)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		const struct collected *a = &w->in.adapter[i];
		int err;

		TRY(read_weight(&w->weight[i], i));
		err = adapter_set_alone(&w->from[i], &w->sites[i],
					json_object_get(a->meta, "adapter"),
					&a->tensors);
		if (err)
			return err_at(err, "adapter %zu", i + 1);
	}
	return 0;
}

static int write_tensor(void *out, const struct tensor *t)
{
	return sink_tensor(out, t);
}

static int write_adapter(struct work *w)
{
	json_t *record;
	size_t k;

	TRY(sink_head(w->out, STREAM_ADAPTER));
	TRY(sink_meta(w->out, "adapter", w->to.config));
	TRY(adapter_set_tensors(&w->to, 0, write_tensor, w->out));
	for (size_t i = 0; i < w->in.nadapter; i++)
		json_array_foreach(w->in.adapter[i].provenance, k, record)
			TRY(sink_keep(w->out, record));
	TRY(sink_provenance(w->out, &program, w->in.input, w->in.ninput));
	return sink_end(w->out, NULL);
}

static int run(struct work *w, char *const *operands)
{
	struct combine c = { .how = (enum combine_how)how, .rank = rank,
			     .lora = lora };

	if (rank && c.how != COMBINE_SVD)
		return err_set(E_USAGE, "--rank: only with --how svd");
	TRY(collect(&w->in, operands));
	TRY(open_all(w));
	c.from = w->from;
	c.sites = w->sites;
	c.weight = w->weight;
	c.n = w->in.nadapter;
	TRY(combine(&w->to, &c));
	TRY(sink_open(&w->out, opt_common.output, &(struct sink_options){
		.level = opt_common.raw ? 0 : (int)opt_common.level }));
	return write_adapter(w);
}

static void release(struct work *w)
{
	for (size_t i = 0; w->from && i < w->in.nadapter; i++)
		adapter_set_release(&w->from[i]);
	for (size_t i = 0; w->sites && i < w->in.nadapter; i++)
		adapter_sites_release(&w->sites[i]);
	adapter_set_release(&w->to);
	collection_release(&w->in);
	free(w->from);
	free(w->sites);
	free(w->weight);
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
		sink_abort(w.out, err, program.name);
	else
		err = sink_close(w.out);
	if (err)
		fprintf(stderr, "%s: %s\n", program.name, err_text());
	release(&w);
	return err;
}
