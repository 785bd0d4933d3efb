/* st-check - is a tensor stream whole, to the last record? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/family.h"
#include "base/digest.h"
#include "base/opt.h"
#include "base/os.h"
#include "base/sig.h"
#include "formats/inputs.h"
#include "formats/st_check.h"
#include "infer/model.h"
#include "infer/probe.h"

static int quick, verbose, quiet, arch;

static struct opt own[] = {
	{ "quick", 0, OPT_FLAG, &quick, NULL,
	  "look at the end records of files only" },
	{ "arch", 0, OPT_FLAG, &arch, NULL,
	  "run 16 tokens through the model, and print what a reference run "
	  "should show" },
	{ "verbose", 'v', OPT_FLAG, &verbose, NULL,
	  "kind and content digest of what is whole" },
	{ "quiet", 'q', OPT_FLAG, &quiet, NULL, "say nothing" },
	{ 0 }
};

static const struct opt_program program = {
	.name = "st-check",
	.brief = "is a tensor stream whole, to the last record?",
	.usage = "[option ...] [stream ...] | --arch [family.arch] model ...",
	.about =
	"Reads each operand (standard input without one) to its end, decodes "
	"everything and compares it with its hashes, and says in one line what "
	"is wrong with those that are cut short, damaged, out of order, or "
	"given up by the program that wrote them. With -v it also names the "
	"kind and the content digest of every stream that is whole.\n\n"
	"--quick finds files that were cut short or never ended, without "
	"reading what lies between.\n\n"
	"--arch is for who writes a family, or doubts one. It takes a model as "
	"peft-step does (a stream, a directory, a file; an adapter may come "
	"with it), and before it a family's file, whose name ends in .arch, if "
	"the model's is none that is built in. It runs the tokens (1 + 7919 i) "
	"mod the size of the vocabulary, for i from 0 to 15, and prints: for "
	"each layer but the last, and behind the final norm, the root of the "
	"states' mean square and the first three values of the last token's; "
	"of the last token's logits the logarithm of the sum of their "
	"exponentials, and the five largest with their tokens; a digest of all "
	"logits, which is the same on every processor. docs/families.md has "
	"the same in Python with transformers.\n\n"
	"Exit status 0: all are whole. 1: one is not.\n\n"
	"The hashes are no protection against forgery. zstd -t accepts every "
	"stream, but does not see what is missing: this program does.",
	.examples = "st-check base.st adapter.st\n"
		    "st-check --quick run-*/adapter.st\n"
		    "quantize-nf4 < base.st | st-check -v\n"
		    "st-check --arch plain.arch plain-7b/",
	.see = "st(5), st-ls(1), st-diff(1)",
	.own = own,
};

static void whole(void *ctx, enum stream_kind kind,
		  const unsigned char digest[DIGEST_SIZE])
{
	const char *path = ctx;
	char hex[DIGEST_HEX];

	if (!verbose)
		return;
	digest_hex(hex, digest);
	printf("%s: %s %s\n", path ? path : "<stdin>", stream_kind_name(kind),
	       hex);
}

/* What is wrong with one does not keep the others from being looked at. */
static int check(char *path)
{
	int err = quick ? st_check_quick(path, whole, path) :
			  st_check(path, whole, path);

	if (err && !quiet)
		fprintf(stderr, "%s: %s\n", program.name, err_text());
	return err == E_DATA ? E_NO : err;
}

static int check_operands(char **operand, size_t n)
{
	int worst = 0;

	if (!n)
		return check(NULL);
	for (size_t i = 0; i < n; i++) {
		int err = check(strcmp(operand[i], "-") ? operand[i] : NULL);

		if (err > worst)
			worst = err;
	}
	return worst;
}

/* ---- --arch ---- */

static void print_state(const char *name, const struct probe_state *s)
{
	printf("%-9s %12.4f ", name, s->rms);
	for (size_t i = 0; i < PROBE_VALUES; i++)
		printf(" %12.4f", (double)s->value[i]);
	putchar('\n');
}

static void print_probe(const struct probe *r)
{
	printf("tokens   ");
	for (size_t i = 0; i < r->ntoken; i++)
		printf(" %u", r->token[i]);
	putchar('\n');
	for (size_t i = 0; i + 1 < r->nlayer; i++) {
		char name[32];

		snprintf(name, sizeof(name), "layer %zu", i);
		print_state(name, &r->layer[i]);
	}
	print_state("norm", &r->norm);
	printf("logits    %12.4f\n", r->logsumexp);
	for (size_t i = 0; i < r->ntop; i++)
		printf("%9zu %12.4f\n", r->top[i], (double)r->logit[i]);
	printf("digest    %s\n", r->digest);
}

static int run_probe(const struct collection *in)
{
	const struct collected *a;
	struct model m;
	struct pool *pool = NULL;
	struct probe r = { 0 };
	int err;

	TRY(inputs_one_model(in, &a));
	TRY(model_open(&m, &in->base.tensors, a ? &a->tensors : NULL,
		       a ? json_object_get(a->meta, "adapter") : NULL));
	err = pool_new(&pool, os_cpus());
	if (!err)
		err = probe_run(&r, m.program, pool);
	if (!err)
		print_probe(&r);
	probe_release(&r);
	model_release(&m);
	pool_free(pool);
	return err;
}

static int is_family(const char *path)
{
	size_t n = path ? strlen(path) : 0;

	return n > 5 && !strcmp(path + n - 5, ".arch");
}

static int check_arch(char **operand)
{
	struct collection in = { 0 };
	int err = 0;

	if (is_family(*operand))
		err = family_bring(*operand++);
	if (!err)
		err = inputs_collect(&in, operand, NULL, 0, NULL);
	if (!err)
		err = run_probe(&in);
	collection_release(&in);
	if (err)
		fprintf(stderr, "%s: %s\n", program.name, err_text());
	return err;
}

int main(int argc, char **argv)
{
	char **operands = NULL;
	size_t n;
	int done, err;

	sig_init();
	err = opt_parse(&program, argc, argv, &operands, &n, &done);
	if (err)
		fprintf(stderr, "%s: %s\n", program.name, err_text());
	else if (!done)
		err = arch ? check_arch(operands) :
			     check_operands(operands, n);
	if (!err && fflush(stdout)) {
		fprintf(stderr, "%s: <stdout>: write failed\n", program.name);
		return E_IO;
	}
	return err;
}
