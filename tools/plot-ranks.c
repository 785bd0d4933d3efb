/* plot-ranks - where an adapter has its ranks */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapt/alone.h"
#include "adapt/rank_plot.h"
#include "base/io.h"
#include "base/opt.h"
#include "base/sig.h"
#include "formats/collect.h"

static int table;

static struct opt own[] = {
	{ "table", 0, OPT_FLAG, &table, NULL,
	  "tab-separated lines instead of a picture" },
	{ 0 }
};

static const struct opt_program program = {
	.name = "plot-ranks",
	.brief = "where an adapter has its ranks, as a picture",
	.usage = "[option ...] [adapter ...]",
	.about =
	"Reads an adapter (a stream or a PEFT directory) and draws, as SVG, "
	"how many ranks each module has: a column a layer, a row for each "
	"module of one, darker where there are more. Of an AdaLoRA adapter "
	"ranks that were pruned do not count, whether it is in training or "
	"finished. What else is in the input is passed over.\n\n"
	"--table gives the numbers: layer (-1: none), module, kind, ranks "
	"that are left and ranks that it was made with, a line each, with a "
	"head.",
	.examples = "plot-ranks adapter.st > ranks.svg\n"
		    "plot-ranks --table adapter.st | sort -k4n | tail",
	.see = "AdaLoRA, arXiv:2303.10512; adalora-prune(1), lora-init(1), "
	       "st-ls(1)",
	.own = own,
	.shared = opt_shared,
	.without = "memory log threads level raw arch quiet verbose",
};

static int plot(char **text, const struct collection *in)
{
	const struct collected *a = in->adapter;
	struct adapter_sites sites = { 0 };
	struct adapter_set set = { 0 };
	int err;

	if (in->nadapter != 1)
		return err_set(E_DATA, "%zu adapters on the input, want one",
			       in->nadapter);
	err = adapter_set_alone(&set, &sites, json_object_get(a->meta,
							      "adapter"),
				&a->tensors);
	if (!err)
		err = table ? rank_plot_table(text, &set) :
			      rank_plot_svg(text, &set);
	adapter_set_release(&set);
	adapter_sites_release(&sites);
	return err;
}

static int run(char *const *operands)
{
	struct collection in;
	struct io_out out = { 0 };
	char *text = NULL;
	int err = collect(&in, operands);

	if (!err)
		err = plot(&text, &in);
	collection_release(&in);
	if (!err)
		err = io_out_open(&out, opt_common.output, 0);
	if (!err)
		err = io_out_write(&out, text, strlen(text));
	if (!err)
		err = io_out_commit(&out);
	io_out_abandon(&out);
	free(text);
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
