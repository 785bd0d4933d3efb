/* st-export - write a stream as a directory that other programs load */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "arch/family.h"
#include "base/opt.h"
#include "base/sig.h"
#include "base/size.h"
#include "formats/export.h"

typedef int export_fn(struct source *from, const char *dir,
		      const struct export_options *o);

static const struct {
	const char *name;
	export_fn *export;
} format[] = {
	{ "hf", export_hf }, { "peft", export_peft }, { "bnb", export_bnb },
};

static const enum dtype want[] = {
	DTYPE_NONE, DTYPE_F32, DTYPE_BF16, DTYPE_F16,
};

static int dtype, force;
static const char *to, *base_name;
static uint64_t shard = 5ull << 30;

static struct opt own[] = {
	{ "to", 0, OPT_TEXT, &to, "FORMAT", "what to write: hf, peft or bnb" },
	{ "base-name", 0, OPT_TEXT, &base_name, "ID",
	  "the base's name in an adapter's configuration",
	  .alias = "base-model-name-or-path" },
	{ "dtype", 0, OPT_CHOICE, &dtype, "TYPE",
	  "write weights in this type, decoding what is quantised",
	  .alias = "torch-dtype", .choices = "keep|f32|bf16|f16" },
	{ "shard-size", 0, OPT_BYTES, &shard, "SIZE",
	  "begin another file of weights above this size",
	  .alias = "max-shard-size" },
	{ "force", 0, OPT_FLAG, &force, NULL,
	  "write into a directory that holds files already" },
	{ 0 }
};

static const struct opt_program program = {
	.name = "st-export",
	.brief = "write a stream as a directory that other programs load",
	.usage = "--to FORMAT [option ...] directory [stream ...]",
	.about =
	"Reads a stream (standard input without an operand after the "
	"directory) and writes a directory.\n\n"
	"--to hf writes a Hugging Face model directory of a base: weights as "
	"safetensors, the side files that travelled with the stream byte for "
	"byte, and config.json with the weights' type. A quantised base needs "
	"--dtype, which decodes it.\n\n"
	"--to bnb writes a base in NF4 or FP4, which quantize-nf4 made or "
	"which came as such a checkpoint, as transformers and bitsandbytes "
	"keep one: 4-bit codes, their scales, and the quantization_config "
	"that makes transformers load it as it is. What is not in 4 bits gets "
	"the embedding's type, for transformers computes with such a "
	"checkpoint's types as they are; what came as one keeps its own.\n\n"
	"--to peft writes an adapter as PEFT does: adapter_model.safetensors, "
	"adapter_config.json, and a README.md that says from which base, data "
	"and options it was made.\n\n"
	"The directory is written under another name beside its place, and "
	"renamed when it is whole: a failed export leaves nothing. One that "
	"holds files already is refused. With --force, files of the same "
	"names and earlier weights are replaced, and other files are left.",
	.examples =
	"st-export --to peft --base-name HuggingFaceTB/SmolLM2-135M-Instruct "
	"adapter/ < adapter.st\n"
	"merge-adapter base.st adapter.st | st-export --to hf merged/\n"
	"quantize-nf4 base.st | st-export --to bnb base-bnb-4bit/",
	.see = "st-import(1), merge-adapter(1), quantize-nf4(1), st(5)",
	.own = own,
	.shared = opt_shared,
	.without = "output memory log level raw",
};

/* NULL: told why. */
static export_fn *find(void)
{
	for (size_t i = 0; to && i < NELEM(format); i++)
		if (!strcmp(to, format[i].name))
			return format[i].export;
	if (!to)
		err_set(E_USAGE, "--to is missing: hf, peft or bnb");
	else if (!strcmp(to, "gguf"))
		err_set(E_USAGE, "--to gguf: GGUF is not written yet; write "
			"--to hf and convert that");
	else
		err_set(E_USAGE, "--to %s: want hf, peft or bnb", to);
	return NULL;
}

static void say_config(const char *dir)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/config.json", dir);
	if (access(path, F_OK) && !opt_common.quiet)
		fprintf(stderr, "%s: no config.json came: %s holds weights "
			"alone\n", program.name, dir);
}

static int run(char *const *operands)
{
	const struct export_options o = {
		.base_name = base_name, .dtype = want[dtype],
		.shard = shard, .force = force,
	};
	export_fn *export = find();
	struct source *from;
	int err;

	if (!export)
		return E_USAGE;
	if (!operands[0] || !strcmp(operands[0], "-"))
		return err_set(E_USAGE, "name the directory to write");
	if (o.dtype && export == export_bnb)
		return err_set(E_USAGE, "--to bnb keeps the weights' types; "
			       "--dtype cannot change them");
	TRY(family_bring(opt_common.arch));
	TRY(source_open(&from, operands + 1));
	err = export(from, operands[0], &o);
	source_close(from);
	if (!err && export != export_peft)
		say_config(operands[0]);
	return err;
}

int main(int argc, char **argv)
{
	char **operands;
	size_t noperand;
	int done, err;

	sig_init();
	sig_notice();
	err = opt_parse(&program, argc, argv, &operands, &noperand, &done);
	if (done)
		return err;
	if (!err)
		err = run(operands);
	if (err)
		fprintf(stderr, "%s: %s\n", program.name, err_text());
	if (err && sig_stopped())
		sig_die(sig_stopped());
	return err;
}
