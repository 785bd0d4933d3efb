/* st-diff - do two tensor streams hold the same? */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/opt.h"
#include "base/safe.h"
#include "base/sig.h"
#include "formats/st_compare.h"

static double most, relative;
static int quiet, verbose;

static struct opt own[] = {
	{ "tolerance", 0, OPT_REAL, &most, "X",
	  "if given: largest difference of two values that counts as equal" },
	{ "relative", 0, OPT_REAL, &relative, "X",
	  "if given: largest root mean square of a tensor's differences, over "
	  "that of its values" },
	{ "quiet", 'q', OPT_FLAG, &quiet, NULL, "the exit status alone" },
	{ "verbose", 'v', OPT_FLAG, &verbose, NULL,
	  "tell what differs within the tolerance too" },
	{ 0 }
};

static const struct opt_program program = {
	.name = "st-diff",
	.brief = "do two tensor streams hold the same?",
	.usage = "[option ...] first second",
	.about =
	"Compares what two inputs hold: the kinds of their streams, metas, "
	"tensors by name in any order, samples. How they are compressed and "
	"how they were made does not count.\n\n"
	"Without a tolerance, tensors must be the same bytes in the same "
	"storage. With --tolerance or --relative they are decoded, whatever "
	"their storage, and their values compared: so a model can be compared "
	"with its quantised form.\n\n"
	"A line for each difference: for tensors of one shape the largest "
	"difference, the root mean square, and that over the root mean square "
	"of the first one's values.\n\n"
	"Exit status 0: they agree. 1: they differ.",
	.examples = "st-diff a.st b.st\n"
		    "st-diff --tolerance 1e-6 adapter.st ./peft-adapter\n"
		    "st-diff --relative 0.1 base.st base.nf4.st",
	.see = "st(5), st-ls(1), st-check(1)",
	.own = own,
};

static void print_name(const char *text)
{
	safe_print(stdout, text, strlen(text), "");
}

static void print(void *ctx, const struct st_difference *d)
{
	(void)ctx;
	if (quiet || (!d->differs && !verbose))
		return;
	printf("%s ", d->what);
	if (d->stream)
		printf("of stream %zu ", d->stream);
	print_name(d->name);
	if (d->how)
		printf(": %s\n", d->how);
	else
		printf(": max %.3g, rms %.3g, relative %.3g%s\n", d->most,
		       d->rms, d->relative, d->differs ? "" : " (tolerated)");
}

static int compare(char **operand, size_t n)
{
	struct st_tolerance t = { .exact = !opt_given(&program, "tolerance") &&
					   !opt_given(&program, "relative") };
	int differ;

	if (n != 2)
		return err_set(E_USAGE, "two inputs are compared, not %zu", n);
	t.most = opt_given(&program, "tolerance") ? most : INFINITY;
	t.relative = opt_given(&program, "relative") ? relative : INFINITY;
	TRY(st_compare(&differ, (char *[]){ operand[0], NULL },
		       (char *[]){ operand[1], NULL }, &t, print, NULL));
	if (fflush(stdout) || ferror(stdout))
		return err_set(E_IO, "<stdout>: write failed");
	return differ ? E_NO : 0;
}

int main(int argc, char **argv)
{
	char **operands = NULL;
	size_t n;
	int done, err;

	sig_init();
	err = opt_parse(&program, argc, argv, &operands, &n, &done);
	if (!err && !done)
		err = compare(operands, n);
	if (err && err != E_NO)
		fprintf(stderr, "%s: %s\n", program.name, err_text());
	return err;
}
