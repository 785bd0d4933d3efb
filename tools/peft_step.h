/*
 * peft_step - peft-step's options and manual
 */
#ifndef TOOLS_PEFT_STEP_H
#define TOOLS_PEFT_STEP_H

#include "adapt/adapter_choice.h"
#include "base/opt.h"
#include "formats/data_options.h"
#include "train/trainer.h"

static struct adapter_choice choice = ADAPTER_CHOICE;
static struct data_options reading = DATA_OPTIONS;
static struct opt_list data, eval_data;
static const char *adapter, *agent;
static const char *filter;
static double loraplus = 1;
static const char *checkpoint, *resume, *best;
static int optim, scheduler = 4, pack = 1, shuffle = 1;
static int compute, fresh, dry_run, log_times, profile;
static struct trainer_options how = {
	.move = { 0.9, 0.999, 1e-8, 0, 0.9 },
	.lr = 2e-4, .min_lr_rate = 0.1, .warmup_ratio = 0.03,
	.warmup_least = 10, .max_grad_norm = 1, .accumulate = 8, .epochs = 1,
	.pack = { .length = 1024, .rows = 1 }, .checkpoint_every = 250,
};

/* What changes a result is recorded. */
#define R .flags = OPT_RECORD

static struct opt own[] = {
	{ "data", 'd', OPT_LIST, &data, "FILE",
	  "training data, as tokenize(1) reads it; may be repeated",
	  .alias = "train-file train-data dataset" },
	{ "adapter", 'A', OPT_TEXT, &adapter, "FILE",
	  "adapter stream or PEFT directory to train; as an operand" },
	ADAPTER_OPTIONS(choice),
	{ "learning-rate", 0, OPT_REAL, &how.lr, "X", "peak learning rate",
	  .alias = "lr", R },
	{ "lr-scheduler", 0, OPT_CHOICE, &scheduler, NULL,
	  "how the learning rate goes", .alias = "lr-scheduler-type",
	  .choices = "constant|constant_with_warmup|linear|cosine|"
		     "cosine_with_min_lr", R },
	{ "min-lr-rate", 0, OPT_REAL, &how.min_lr_rate, "X",
	  "cosine_with_min_lr ends at this part of the peak", R },
	{ "warmup-ratio", 0, OPT_REAL, &how.warmup_ratio, "X",
	  "part of the steps in which the rate rises from 0", R },
	{ "warmup-steps", 0, OPT_COUNT, &how.warmup_steps, "N",
	  "the same in steps; counts instead of the ratio", R },
	{ "loraplus-lr-ratio", 0, OPT_REAL, &loraplus, "X",
	  "LoRA+: learning rate of B, in units of A's", R },
	{ "filter", 0, OPT_TEXT, &filter, "COMMAND",
	  "a program that the unfinished adapter goes through while it is "
	  "trained, such as 'adalora-prune -b 512'; then nothing is pruned "
	  "here", R },
	{ "filter-every", 0, OPT_COUNT, &how.filter_every, "N",
	  "every N steps, and after the last", R },
	{ "optim", 0, OPT_CHOICE, &optim, NULL, "optimizer",
	  .alias = "optimizer", .choices = "adamw,adamw_torch|sgd|"
	  "adamw8bit,adamw_bnb_8bit,paged_adamw_8bit", R },
	{ "adam-beta1", 0, OPT_REAL, &how.move.beta1, "X", "of adamw", R },
	{ "adam-beta2", 0, OPT_REAL, &how.move.beta2, "X", "of adamw", R },
	{ "adam-epsilon", 0, OPT_REAL, &how.move.eps, "X", "of adamw",
	  .alias = "adam-eps", R },
	{ "momentum", 0, OPT_REAL, &how.move.momentum, "X", "of sgd", R },
	{ "weight-decay", 0, OPT_REAL, &how.move.weight_decay, "X",
	  "decay of the adapter's weights", R },
	{ "max-grad-norm", 0, OPT_REAL, &how.max_grad_norm, "X",
	  "clip the gradient's norm; 0: do not", R },
	{ "batch-size", 'b', OPT_COUNT, &how.pack.rows, "N",
	  "rows of a micro-batch", .alias = "per-device-train-batch-size "
	  "micro-batch-size", R },
	{ "gradient-accumulation-steps", 'g', OPT_COUNT, &how.accumulate, "N",
	  "micro-batches of a step", R },
	{ "length", 0, OPT_COUNT, &how.pack.length, "N",
	  "tokens of a row at most", .alias = "max-length max-seq-length "
	  "cutoff-len sequence-len", R },
	{ "pack", 0, OPT_FLAG, &pack, NULL,
	  "fill rows with whole samples; --no-pack: a row is a sample",
	  .alias = "packing sample-packing", R },
	{ "shuffle", 0, OPT_FLAG, &shuffle, NULL,
	  "shuffle every epoch; --no-shuffle: in the data's order", R },
	{ "epochs", 0, OPT_REAL, &how.epochs, "X", "times over the data",
	  .alias = "num-train-epochs num-epochs", R },
	{ "max-steps", 'n', OPT_COUNT, &how.steps, "N",
	  "steps, instead of epochs; the data starts over as needed", R },
	{ "compute", 0, OPT_CHOICE, &compute, NULL,
	  "factors of the base's products", .choices = "f32|bf16", R },
	DATA_OPTIONS_READ(reading, .flags = 0),
	DATA_OPTIONS_GATE(reading, .flags = 0),
	{ "eval-data", 0, OPT_LIST, &eval_data, "FILE",
	  "data to measure the loss on", .alias = "validation-file eval-file" },
	{ "eval-every", 0, OPT_COUNT, &how.eval_every, "N",
	  "measure every N steps; 0: at the end", .alias = "eval-steps", R },
	{ "keep-best", 0, OPT_TEXT, &best, "FILE",
	  "write the adapter there whenever the measured loss is the least" },
	{ "patience", 0, OPT_COUNT, &how.patience, "N",
	  "end after N measurements without a lower loss; 0: never",
	  .alias = "early-stopping-patience", R },
	{ "checkpoint", 0, OPT_TEXT, &checkpoint, "FILE",
	  "where the run is saved; without it the output's name and .ckpt" },
	{ "checkpoint-every", 0, OPT_COUNT, &how.checkpoint_every, "N",
	  "save every N steps; 0: only when stopped", .alias = "save-steps" },
	{ "resume", 0, OPT_TEXT, &resume, "FILE",
	  "go on from this checkpoint, if it is there",
	  .alias = "resume-from-checkpoint" },
	{ "stop-after", 0, OPT_COUNT, &how.stop_after, "N",
	  "save and end after step N; the schedule is the whole run's" },
	{ "fresh", 0, OPT_FLAG, &fresh, NULL,
	  "take only the weights of an unfinished adapter" },
	{ "dry-run", 0, OPT_FLAG, &dry_run, NULL,
	  "print bytes, steps and seconds a step, and end" },
	{ "page-memory", 0, OPT_BYTES, &how.page_memory, "SIZE",
	  "page the base through so much memory, even where all of it fits" },
	{ "agent", 0, OPT_TEXT, &agent, "SOCKET",
	  "page the base through page-agent, which others share" },
	{ "page-optimizer", 0, OPT_FLAG, &how.page_optimizer, NULL,
	  "page the optimizer's states with the base, even where they fit" },
	{ "log-times", 0, OPT_FLAG, &log_times, NULL,
	  "put speed and memory into the log, which then is never the same" },
	{ "profile", 0, OPT_FLAG, &profile, NULL,
	  "print the seconds of a step by operation at the end" },
	{ 0 }
};
#undef R

static const struct opt_program program = {
	.name = "peft-step",
	.brief = "train an adapter",
	.usage = "[option ...] [base [adapter] [data]]",
	.about =
	"Reads a base model, an adapter and data, trains the adapter, and "
	"writes it. Operands are read as cat would join them (standard input "
	"without one): streams, a Hugging Face directory, a .safetensors or "
	".gguf file, a PEFT adapter directory. Data comes from -d, from data "
	"streams on the input, or both. Without an adapter the one that "
	"lora-init(1) makes of the same options is trained.\n\n"
	"A step is -g micro-batches of -b rows. Whole samples are packed into "
	"rows of at most --length tokens; attention and positions stay inside "
	"a sample, and there is no padding. Gradients are sums over label "
	"tokens, divided once by the step's label tokens, so -b 1 -g 8 "
	"trains as -b 8 -g 1 does. Epochs follow each other without a gap: a "
	"step may take from two.\n\n"
	"DATA. What tokenize(1) reads is read here, by the same code and with "
	"the same gate; its manual says what is refused and how that is "
	"relaxed. --split 0.05 measures on what it holds out of the data, "
	"instead of --eval-data. --mix is of the files of -d.\n\n"
	"Schedules have Hugging Face's names and formulas; the first warm-up "
	"step has rate 0. By default there is no warm-up in a run of fewer "
	"than 10 steps.\n\n"
	"STOPPING. --checkpoint FILE (the name of -o and .ckpt by default) is "
	"written every --checkpoint-every steps, at --stop-after, and at "
	"SIGINT, SIGTERM or SIGHUP after the step in hand; the status is then "
	"75. --resume FILE goes on from it, with the options that it holds; "
	"options, base or data that are given and differ are errors. A run "
	"that was stopped and continued, however often, gives the same bytes "
	"as one that was not. So does an unfinished adapter on the input "
	"(--stop-after), unless --fresh takes only its weights. Without a "
	"checkpoint a signal ends the run and nothing is written. The default "
	"checkpoint is removed when the run is finished.\n\n"
	"A loss or gradient that is not finite ends the run before the update "
	"(status 65) and leaves the last checkpoint alone.\n\n"
	"LOG. --log FILE has a JSON object a line: step, epoch, loss, "
	"grad_norm, learning_rate, num_input_tokens_seen and label_tokens "
	"after each step, step, epoch and eval_loss after each evaluation. It "
	"is the same bytes for the same run: what depends on the clock "
	"(tokens_per_second, elapsed) or on the machine (memory_bytes, "
	"threads, kernels) is there with --log-times only. A run "
	"that is continued cuts it back to its own step first. SIGUSR1 prints "
	"the progress on standard error.\n\n"
	"TOKENS. --add-token trains a token's row of the embedding (and of a "
	"head of its own), and adds the token where the vocabulary lacks it, "
	"as a template's <|im_start|> in a base model. The adapter carries "
	"which tokens its base must have, and whatever reads both adds "
	"them.\n\n"
	"MEMORY. Every buffer is planned before the first step. When -m, or "
	"what is free, does not hold all activations, layers are computed "
	"twice; the result is the same bytes. --dry-run prints the plan, what "
	"the process has besides (libraries, stacks, mapped files), the "
	"number of steps, and the seconds of a step as one measured product "
	"of the model's shapes promises them. Where -m does not hold the base, "
	"its matrices are pages that come from their file (a base on a pipe is "
	"spooled to a nameless file in TMPDIR, or /var/tmp) while layers "
	"before them are computed: all micro-batches of a step go through a "
	"layer before the next is read, so that a step reads what memory does "
	"not keep twice, and what they carry is spilled if it must be. The "
	"result is the same bytes at every size.\n\n"
	"COMPUTE. --compute bf16 rounds both factors of the base's products, "
	"forward and backward, to bf16, as other trainers do; sums, the "
	"adapter, its optimizer and all between the products stay f32. With "
	"AVX512-BF16 a step takes about half the time; without, it is slower "
	"than f32 and gives the same bytes. They are other bytes than f32's, "
	"so the provenance tells, and a run goes on as it began.\n\n"
	"PROFILE. --profile prints a table on standard error at the end: the "
	"seconds of a step by operation, forward, forward again where a layer "
	"is computed twice, and backward, and its share of the step. linear "
	"has the adapters in it, head the products of the vocabulary and what "
	"caps or scales the logits, loss what is between them.",
	.examples =
	"quantize-nf4 < base.st | peft-step -r 8 -d chat.jsonl > adapter.st\n"
	"peft-step -A adapter -d data.jsonl --log log.jsonl base.st -o out.st\n"
	"peft-step --dry-run -m 1G -d chat.jsonl base.st\n"
	"peft-step --resume a.st.ckpt -d chat.jsonl base.st -o a.st",
	.see = "LoRA, arXiv:2106.09685; QLoRA, arXiv:2305.14314; lora-init(1), "
	       "tokenize(1), merge-adapter(1), eval(1), st(5)",
	.own = own,
	.shared = opt_shared,
};

#endif
