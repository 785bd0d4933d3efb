/* adalora-prune - take ranks away from an adapter while it is trained */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapt/adalora.h"
#include "adapt/alone.h"
#include "base/opt.h"
#include "base/sig.h"
#include "formats/sink.h"

static size_t budget;

static struct opt own[] = {
	{ "budget", 'b', OPT_COUNT, &budget, "N",
	  "ranks of all modules together that stay; 0: by the adapter's "
	  "schedule and step", .flags = OPT_RECORD },
	{ 0 }
};

static const struct opt_program program = {
	.name = "adalora-prune",
	.brief = "take ranks away from an adapter while it is trained",
	.usage = "[option ...] [adapter ...]",
	.about =
	"Reads an unfinished AdaLoRA adapter (peft-step --method adalora with "
	"--stop-after, or its checkpoint) and writes it with all but the best "
	"ranks pruned: their singular values are set to 0. All else on the "
	"input passes through.\n\n"
	"What a rank is worth follows from moving averages that peft-step(1) "
	"keeps in the adapter: how much the loss depends on each of its "
	"numbers, times how much that wavers. A and B stay as they are, so "
	"that a pruned rank may come back, until the schedule's last "
	"pruning.\n\n"
	"Without -b the schedule decides, as it does in peft-step: between its "
	"prunings the adapter passes unchanged. In the loop, "
	"peft-step --filter-every N --filter 'adalora-prune' gives the "
	"tensors that peft-step alone gives, and so does a run that is "
	"stopped, pruned and continued by hand.\n\n"
	"On standard error is a line a module: the ranks that stay, of how "
	"many, and which (# stays, . is pruned).",
	.examples =
	"peft-step --resume a.ckpt --stop-after 200 -d d.jsonl base.st |\n"
	"        adalora-prune -b 512 > pruned.st\n"
	"peft-step --method adalora -r 12 --filter-every 10 \\\n"
	"        --filter 'adalora-prune -q' -d chat.jsonl base.st > a.st",
	.see = "AdaLoRA, arXiv:2303.10512; st(5), peft-step(1), lora-init(1)",
	.own = own,
	.shared = opt_shared,
	.without = "memory log threads",
};

/* An adapter stream, as it came. */
struct work {
	struct source *in;
	struct sink *out;
	struct tensor_set tensors;
	json_t *adapter, *train; /* metas */
	size_t n;               /* adapters */
};

/* ---- pruning ---- */

static void say(const struct adapter_set *s)
{
	size_t kept = 0, all = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct adapter *a = &s->at[i];
		size_t n = adalora_kept(a);

		if (n == SIZE_MAX)
			continue;
		fprintf(stderr, "%3zu of %3zu  ", n, a->rank);
		for (size_t k = 0; k < a->rank; k++)
			fputc(a->param[ADALORA_PRUNED].at[k] > 0 ? '.' : '#',
			      stderr);
		fprintf(stderr, "  %s\n", a->module);
		kept += n;
		all += a->rank;
	}
	fprintf(stderr, "%s: %zu of %zu ranks\n", program.name, kept, all);
}

static int prune(const struct work *w, struct adapter_set *s)
{
	struct adalora_place p;
	uint64_t step = (uint64_t)json_number(w->train, "step", 0);
	uint64_t steps = (uint64_t)json_number(w->train, "steps", 0);

	adalora_place(&p, s, step, steps);
	if (!p.ranks)
		return err_set(E_CONFIG, "no AdaLoRA adapter, but of the kind "
			       "%s; make one with --method adalora",
			       json_text(w->adapter, "kind", "lora"));
	if (!w->train || json_flag(w->train, "finished", 0))
		return err_set(E_CONFIG, "the adapter is finished, or never "
			       "was trained: there is nothing to judge its "
			       "ranks by");
	if (budget >= p.ranks)
		return err_set(E_CONFIG, "--budget %zu: the adapter has %zu "
			       "ranks, so nothing would be pruned", budget,
			       p.ranks);
	if (budget || p.due)
		TRY(adalora_prune(s, budget ? budget : p.budget));
	if (!opt_common.quiet)
		say(s);
	return 0;
}

/* A parameter into the tensor that it came from. */
static int put_back(void *ctx, const struct tensor *t)
{
	struct tensor *was = tensor_set_find(ctx, t->name);

	if (!was || was->dtype != DTYPE_F32 || !tensor_is_plain(was))
		return err_set(E_DATA, "%s: the state of training has none "
			       "in f32", t->name);
	memcpy(was->part[0].data, t->part[0].data, was->part[0].bytes);
	return 0;
}

static int change(struct work *w)
{
	struct adapter_sites sites = { 0 };
	struct adapter_set set = { 0 };
	int err = adapter_set_alone(&set, &sites, w->adapter, &w->tensors);

	if (!err)
		err = prune(w, &set);
	if (!err)
		err = adapter_set_tensors(&set, 1, put_back, &w->tensors);
	adapter_set_release(&set);
	adapter_sites_release(&sites);
	return err;
}

/* ---- the stream ---- */

static void forget(struct work *w)
{
	tensor_set_release(&w->tensors);
	json_decref(w->adapter);
	json_decref(w->train);
	w->adapter = w->train = NULL;
}

static int end(struct work *w, const struct item *item)
{
	const struct input_digest in = { .kind = STREAM_ADAPTER };
	struct input_digest one = in;

	TRY(change(w));
	for (size_t i = 0; i < w->tensors.n; i++)
		TRY(sink_tensor(w->out, &w->tensors.at[i]));
	memcpy(one.digest, item->digest, sizeof(one.digest));
	/* In its place on the schedule, it is the training's own pruning. */
	if (budget)
		TRY(sink_provenance(w->out, &program, &one, 1));
	w->n++;
	return sink_end(w->out, NULL);
}

static int take_meta(struct work *w, const struct item *item)
{
	if (!strcmp(item->key, "adapter") && !w->adapter)
		w->adapter = json_deep_copy(item->value);
	if (!strcmp(item->key, "train") && !w->train)
		w->train = json_deep_copy(item->value);
	return sink_pass(w->out, w->in, item);
}

static int put(struct work *w, const struct item *item)
{
	if (item->stream != STREAM_ADAPTER)
		return sink_pass(w->out, w->in, item);
	switch (item->kind) {
	case ITEM_HEAD:
		forget(w);
		return sink_pass(w->out, w->in, item);
	case ITEM_META:
		return take_meta(w, item);
	case ITEM_TENSOR:
		TRY(source_load(w->in));
		return tensor_set_take(&w->tensors, item->tensor);
	case ITEM_END:
		return end(w, item);
	default:
		return sink_pass(w->out, w->in, item);
	}
}

static int run(struct work *w, char *const *operands)
{
	struct item item;
	int err;

	TRY(source_open(&w->in, operands));
	TRY(sink_open(&w->out, opt_common.output, &(struct sink_options){
		.level = opt_common.raw ? 0 : (int)opt_common.level }));
	do {
		TRY(source_next(w->in, &item));
		if (item.kind == ITEM_NONE)
			break;
		err = put(w, &item);
		if (err)
			return err_at(err, "%s", source_name(w->in));
	} while (1);
	return w->n ? 0 : err_set(E_DATA, "no adapter on the input");
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
	source_close(w.in);
	forget(&w);
	return err;
}
