/* st-check - is a tensor stream whole, to the last record? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/opt.h"
#include "base/sig.h"
#include "formats/st_check.h"

static int quick, verbose, quiet;

static struct opt own[] = {
	{ "quick", 0, OPT_FLAG, &quick, NULL,
	  "look at the end records of files only" },
	{ "verbose", 'v', OPT_FLAG, &verbose, NULL,
	  "kind and content digest of what is whole" },
	{ "quiet", 'q', OPT_FLAG, &quiet, NULL, "say nothing" },
	{ 0 }
};

static const struct opt_program program = {
	.name = "st-check",
	.brief = "is a tensor stream whole, to the last record?",
	.usage = "[option ...] [stream ...]",
	.about =
	"Reads each operand (standard input without one) to its end, decodes "
	"everything and compares it with its hashes, and says in one line what "
	"is wrong with those that are cut short, damaged, out of order, or "
	"given up by the program that wrote them. With -v it also names the "
	"kind and the content digest of every stream that is whole.\n\n"
	"--quick finds files that were cut short or never ended, without "
	"reading what lies between.\n\n"
	"Exit status 0: all are whole. 1: one is not.\n\n"
	"The hashes are no protection against forgery. zstd -t accepts every "
	"stream, but does not see what is missing: this program does.",
	.examples = "st-check base.st adapter.st\n"
		    "st-check --quick run-*/adapter.st\n"
		    "quantize-nf4 < base.st | st-check -v",
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
		err = check_operands(operands, n);
	if (!err && fflush(stdout)) {
		fprintf(stderr, "%s: <stdout>: write failed\n", program.name);
		return E_IO;
	}
	return err;
}
