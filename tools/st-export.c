/* st-export - write a stream as what other programs load */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "arch/family.h"
#include "base/opt.h"
#include "base/sig.h"
#include "base/size.h"
#include "formats/export.h"

/* What --dtype can say: a type of numbers, or blocks. */
static const struct {
	enum dtype dtype;
	const char *blocks;
} want[] = {
	{ DTYPE_NONE, NULL }, { DTYPE_F32, NULL }, { DTYPE_BF16, NULL },
	{ DTYPE_F16, NULL }, { DTYPE_NONE, "q8_0" }, { DTYPE_NONE, "q4_0" },
};

static int dtype, force;
static const char *to, *base_name, *base;
static uint64_t shard = 5ull << 30;

static struct opt own[] = {
	{ "to", 0, OPT_TEXT, &to, "FORMAT",
	  "what to write: hf, peft, bnb or gguf" },
	{ "base-name", 0, OPT_TEXT, &base_name, "ID",
	  "the base's name in an adapter's configuration; a model's own in a "
	  "GGUF",
	  .alias = "base-model-name-or-path" },
	{ "dtype", 0, OPT_CHOICE, &dtype, "TYPE",
	  "write weights in this type, decoding what is quantised",
	  .alias = "torch-dtype outtype",
	  .choices = "keep|f32|bf16|f16|q8_0|q4_0" },
	{ "base", 0, OPT_TEXT, &base, "MODEL",
	  "gguf: the base that an adapter is for, of which config.json is "
	  "read" },
	{ "shard-size", 0, OPT_BYTES, &shard, "SIZE",
	  "begin another file of weights above this size",
	  .alias = "max-shard-size" },
	{ "force", 0, OPT_FLAG, &force, NULL,
	  "write into a directory that holds files already or over a file" },
	{ 0 }
};

static const struct opt_program program = {
	.name = "st-export",
	.brief = "write a stream as a directory or file that others load",
	.usage = "--to FORMAT [option ...] place [stream ...]",
	.about =
	"Reads a stream (standard input without an operand after the place) "
	"and writes a directory, or with --to gguf a file.\n\n"
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
	"--to gguf writes llama.cpp's file. Of a base: its weights, with the "
	"metadata that config.json, the tokenizer and the chat template "
	"amount to. --dtype keep leaves a GGUF's blocks and f32, f16 and bf16 "
	"as they are and decodes other storages to bf16; q8_0 and q4_0 make "
	"blocks, the bytes that ggml's reference makes (q4_0 has embedding "
	"and head in q8_0). Vectors are f32. The file is read back before it "
	"is put in its place: where llama.cpp could not be told the same "
	"model or the same tokenizer, there is none. Of a LoRA adapter: a "
	"LoRA file for llama.cpp (--lora) that fits the model that --base "
	"names; what the modules' scales differ by is in their B.\n\n"
	"The directory or file is written under another name beside its "
	"place, and renamed when it is whole: a failed export leaves nothing. "
	"One that holds files already is refused. With --force, files of the "
	"same names and earlier weights are replaced, and other files are "
	"left. A file that is there is refused, or with --force replaced.",
	.examples =
	"st-export --to peft --base-name HuggingFaceTB/SmolLM2-135M-Instruct "
	"adapter/ < adapter.st\n"
	"merge-adapter base.st adapter.st | st-export --to hf merged/\n"
	"quantize-nf4 base.st | st-export --to bnb base-bnb-4bit/\n"
	"st-export --to gguf --dtype q8_0 merged.gguf < merged.st\n"
	"st-export --to gguf --base model.gguf adapter.gguf < adapter.st",
	.see = "st-import(1), merge-adapter(1), quantize-nf4(1), st(5)",
	.own = own,
	.shared = opt_shared,
	.without = "output memory log level raw",
};

/* "hf, peft, bnb or gguf" */
static const char *names(void)
{
	static char text[128];
	const struct export_target *t;

	*text = 0;
	for (size_t i = 0; (t = export_at(i)); i++) {
		if (i)
			strcat(text, export_at(i + 1) ? ", " : " or ");
		strcat(text, t->name);
	}
	return text;
}

/* NULL: told why. */
static const struct export_target *find(void)
{
	const struct export_target *t = to ? export_find(to) : NULL;

	if (!to)
		err_set(E_USAGE, "--to is missing: %s", names());
	else if (!t)
		err_set(E_USAGE, "--to %s: want %s", to, names());
	return t;
}

static void say_config(const char *dir)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/config.json", dir);
	if (access(path, F_OK) && !opt_common.quiet)
		fprintf(stderr, "%s: no config.json came: %s holds weights "
			"alone\n", program.name, dir);
}

static int check(const struct export_target *t, const char *place,
		 const struct export_options *o)
{
	if (!place || !strcmp(place, "-"))
		return err_set(E_USAGE, "name the %s to write",
			       t->can & EXPORT_FILE ? "file" : "directory");
	if (o->dtype && !(t->can & EXPORT_DTYPE))
		return err_set(E_USAGE, "--to %s keeps the weights' types; "
			       "--dtype cannot change them", t->name);
	if (o->blocks && !(t->can & EXPORT_BLOCKS))
		return err_set(E_USAGE, "--dtype %s: only a GGUF has such "
			       "blocks (--to gguf)", o->blocks);
	if (o->base && !(t->can & EXPORT_BLOCKS))
		return err_set(E_USAGE, "--base: only a GGUF adapter needs it "
			       "(--to gguf)");
	return 0;
}

static int run(char *const *operands)
{
	const struct export_options o = {
		.base_name = base_name, .base = base,
		.dtype = want[dtype].dtype, .blocks = want[dtype].blocks,
		.shard = shard, .force = force,
	};
	const struct export_target *t = find();
	struct source *from;
	int err;

	if (!t)
		return E_USAGE;
	TRY(check(t, operands[0], &o));
	TRY(family_bring(opt_common.arch));
	TRY(source_open(&from, operands + 1));
	err = t->run(from, operands[0], &o);
	source_close(from);
	if (!err && t->can & EXPORT_CONFIG)
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
