/* peft-step - train an adapter */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapt/spec.h"
#include "arch/family.h"
#include "arch/soft_model.h"
#include "base/sig.h"
#include "base/size.h"
#include "formats/soft_text.h"
#include "formats/through.h"
#include "formats/train_inputs.h"
#include "train/profile.h"
#include "train/progress.h"
#include "train/recipe.h"
#include "train/run_log.h"
#include "train/run_options.h"
#include "tools/peft_step.h"

struct work {
	struct train_inputs in;
	json_t *options;                /* as the state holds them */
	struct adapter_sites sites;
	struct adapter_set set;
	struct program *program;
	struct pool *pool;
	char *checkpoint;
	struct trainer *trainer;
	struct progress progress;
	struct run_log log;
	struct sink *out;
	int signal;                     /* end by it */
};

/* ---- inputs ---- */

static int read_inputs(struct work *w, char *const *operands)
{
	struct train_files files = {
		.adapter = adapter, .resume = resume, .fresh = fresh,
		.eval = { eval_data.at, eval_data.n, NULL, 0 },
		.split = reading.split, .tokens = &choice.token, .agent = agent,
		.budget = size_max(opt_common.memory, how.page_memory),
		.paged = how.page_optimizer,
	};
	struct dataset_stats stats = { 0 };
	char text[DATA_COUNTS];

	if (reading.split > 0 && eval_data.n)
		return err_set(E_USAGE, "--split and --eval-data: one of them");
	TRY(train_inputs_read(&w->in, operands, &files));
	if (w->in.state)
		TRY(run_options_restore(&program, json_object_get(
						w->in.state, "options")));
	else if (w->in.adapter)
		TRY(adapter_choice_given(&program));
	files.seed = choice.seed;
	TRY(data_options_settle(&reading, &program, how.pack.length, data.n));
	files.data = data_options_files(&reading, data.at, data.n);
	TRY(train_inputs_data(&w->in, &files, &reading.read, &stats));
	if (!opt_common.quiet)
		fputs(data_counts_text(text, &stats, how.pack.length,
				       program.name), stderr);
	return 0;
}

/* What the options mean together. */
static int settle_options(struct work *w)
{
	TRY(adapter_choice_beside(&choice));
	if (!filter != !how.filter_every)
		return err_set(E_USAGE, "--filter, --filter-every go together");
	if (!(loraplus > 0))
		return err_set(E_USAGE, "--loraplus-lr-ratio: %g is not above "
			       "0", loraplus);
	how.optim = optim_at((size_t)optim);
	how.schedule = schedule_at((size_t)scheduler);
	how.pack.single = !pack;
	how.pack.shuffle = shuffle;
	how.pack.seed = choice.seed;
	how.budget = opt_common.memory;
	if (opt_given(&program, "warmup-ratio"))
		how.warmup_least = 0;
	if (opt_given(&program, "warmup-steps"))
		how.warmup_ratio = 0;
	if (w->in.state) {
		how.warmup_steps = (size_t)json_number(w->in.state,
						       "warmup_steps", 0);
		how.warmup_ratio = 0;
	}
	return trainer_check(&how);
}

/* ---- the model ---- */

static int make_adapter(struct work *w)
{
	json_t *config;
	int err = recipe_config(&config, &choice, &program, w->in.tokens);

	if (!err && choice.recipe)
		err = recipe_fits(choice.recipe, &w->sites);
	if (!err)
		err = soft_model_of(config, &w->in.in.base.tensors);
	if (!err)
		err = soft_text(config, &w->in.in.base, choice.prompt_text);
	if (!err)
		err = adapter_set_make(&w->set, config, &w->sites);
	json_decref(config);
	return err;
}

static int open_adapter(struct work *w)
{
	const struct tensor_set *base = &w->in.in.base.tensors;

	for (size_t i = 0; i < base->n; i++)
		TRY(adapter_sites_add(&w->sites, &base->at[i]));
	if (!w->in.adapter)
		TRY(make_adapter(w));
	else
		TRY(adapter_set_read(&w->set, json_object_get(
					     w->in.adapter->meta, "adapter"),
				     &w->in.adapter->tensors, &w->sites));
	TRY(adapter_set_place(&w->set, 1));
	TRY(adapter_set_ratio(&w->set, loraplus));
	for (size_t i = 0; i < w->set.n; i++) {
		w->set.at[i].seed = choice.seed;
		if (opt_given(&program, "dropout") &&
		    !w->set.at[i].kind->list)
			w->set.at[i].dropout = (float)choice.dropout;
	}
	if (w->in.adapter)
		return adapter_set_load(&w->set, &w->in.adapter->tensors);
	return adapter_set_init(&w->set, base, choice.seed);
}

/* ---- output ---- */

static int write_tensor(void *out, const struct tensor *t)
{
	return sink_tensor(out, t);
}

/* The "train" meta; the caller's, or NULL. */
static json_t *state_meta(const struct work *w, int finished)
{
	json_t *state = trainer_state(w->trainer);

	if (!state ||
	    json_object_set_new(state, "finished", json_boolean(finished)) ||
	    json_object_set_new(state, "warmup_steps", json_integer(
		    (json_int_t)w->trainer->schedule.warmup)) ||
	    json_object_set_new(state, "options",
				run_options_kept(w->options, finished)) ||
	    train_inputs_name(&w->in, state)) {
		json_decref(state);
		err_set(E_NOMEM, "out of memory");
		return NULL;
	}
	return state;
}

static int write_adapter(const struct work *w, struct sink *out, int finished)
{
	json_t *state = state_meta(w, finished);
	int err;

	if (!state)
		return E_NOMEM;
	err = sink_head(out, STREAM_ADAPTER);
	if (!err)
		err = sink_meta(out, "adapter", w->set.config);
	if (!err)
		err = sink_meta(out, "train", state);
	json_decref(state);
	TRY(err);
	TRY(train_inputs_chat(&w->in, out));
	TRY(adapter_set_tensors(&w->set, !finished, write_tensor, out));
	if (!finished)
		TRY(trainer_tensors(w->trainer, write_tensor, out));
	TRY(train_inputs_provenance(&w->in, out, &program, how.patience > 0));
	return sink_end(out, NULL);
}

static int write_file(const struct work *w, const char *path, int finished)
{
	struct sink *out = NULL;
	int err = sink_open(&out, path, &(struct sink_options){ 0 });

	if (!err)
		err = write_adapter(w, out, finished);
	if (!err)
		return sink_close(out);
	sink_abort(out, err, program.name);
	return err;
}

/* ---- while it runs ---- */

static int on_log(void *ctx, json_t *line)
{
	struct work *w = ctx;

	if (log_times)
		TRY(progress_log(&w->progress, w->trainer, line));
	return run_log_line(&w->log, line);
}

static int on_checkpoint(void *ctx, const struct trainer *t)
{
	const struct work *w = ctx;

	(void)t;
	return w->checkpoint ? write_file(w, w->checkpoint, 0) : 0;
}

static int write_state(void *ctx, struct sink *out)
{
	return write_adapter(ctx, out, 0);
}

static int on_filter(void *ctx, struct trainer *t)
{
	struct collection back;
	int err = through(&back, filter, write_state, ctx);

	if (!err)
		err = adapter_set_load(t->set, &back.adapter->tensors);
	if (!err)
		err = optim_load(&t->optim, &back.adapter->tensors);
	collection_release(&back);
	return err;
}

static int on_best(void *ctx, const struct trainer *t)
{
	(void)t;
	return best ? write_file(ctx, best, 1) : 0;
}

static int on_stopping(void *ctx)
{
	(void)ctx;
	return sig_stopped() != 0;
}

static void on_progress(void *ctx, const struct trainer *t)
{
	struct work *w = ctx;
	char text[256];
	int live = isatty(2) && !opt_common.quiet, asked = sig_asked();

	if (!live && !asked)
		return;
	progress_text(text, sizeof(text), &w->progress, t);
	fprintf(stderr, "%s%s: %s%s", live ? "\r" : "", program.name, text,
		live ? "\033[K" : "\n");
	if (live && t->state.finished)
		fputc('\n', stderr);
}

static int print_plan(struct work *w)
{
	char text[1024];
	double seconds;

	train_inputs_taken(&w->in);
	TRY(trainer_estimate(w->trainer, &seconds));
	fputs(progress_plan(text, sizeof(text), &w->progress, w->trainer,
			    seconds), stdout);
	return fflush(stdout) ? err_errno(E_IO, "<stdout>") : 0;
}

/* Runs; then a checkpoint where the run is not at its end. */
static int train(struct work *w)
{
	int err, live = isatty(2) && !opt_common.quiet;
	char table[PROFILE_TEXT];

	sig_notice();
	progress_start(&w->progress, w->trainer);
	err = trainer_run(w->trainer);
	if (live && !w->trainer->state.finished)
		fputc('\n', stderr); /* after the progress line */
	if (profile)
		fputs(profile_text(table, w->trainer), stderr);
	if (err == E_AGAIN && !w->checkpoint)
		w->signal = sig_stopped();
	else if ((!err && !w->trainer->state.finished) || err == E_AGAIN)
		TRY(on_checkpoint(w, w->trainer));
	if (err == E_AGAIN && w->checkpoint)
		err_set(err, "stopped at step %llu; %s continues it with "
			"--resume", (unsigned long long)
			w->trainer->state.step, w->checkpoint);
	return err;
}

static void say_warmup(const struct work *w)
{
	if (w->trainer->plan.steps < how.warmup_least && !w->in.state &&
	    how.warmup_ratio > 0 && scheduler && !opt_common.quiet)
		fprintf(stderr, "%s: %llu steps, fewer than %zu: no warm-up\n",
			program.name, (unsigned long long)
			w->trainer->plan.steps, how.warmup_least);
}

static int start(struct work *w)
{
	const struct trainer_calls calls = {
		.ctx = w, .log = on_log, .checkpoint = on_checkpoint,
		.filter = on_filter, .best = on_best,
		.stopping = on_stopping, .progress = on_progress,
	};

	TRY(open_adapter(w));
	TRY(program_open(&w->program, &w->in.in.base.tensors, NULL));
	program_compute(w->program, compute);
	TRY(program_adapt(w->program, &w->set));
	TRY(trainer_new(&w->trainer, w->program, &w->set, w->pool, &w->in.data,
			w->in.eval.n ? &w->in.eval : NULL, &how, &calls));
	if (w->in.state)
		w->options = json_incref(json_object_get(w->in.state,
							 "options"));
	else
		TRY(run_options_save(&w->options, &program));
	run_options_unroute(&program);
	return 0;
}

static int run(struct work *w, char *const *operands)
{
	TRY(progress_pool(&w->progress, &w->pool, opt_common.threads));
	TRY(family_bring(opt_common.arch));
	TRY(recipe_take(&choice.recipe));
	TRY(read_inputs(w, operands));
	TRY(settle_options(w));
	TRY(start(w));
	if (dry_run)
		return print_plan(w);
	TRY(run_checkpoint_name(&w->checkpoint, checkpoint,
				opt_common.output));
	TRY(sink_open(&w->out, opt_common.output, &(struct sink_options){ 0 }));
	TRY(trainer_start(w->trainer));
	if (w->in.state)
		TRY(trainer_restore(w->trainer, w->in.state,
				    &w->in.adapter->tensors));
	train_inputs_taken(&w->in);
	TRY(run_log_open(&w->log, opt_common.log, w->trainer->state.step));
	TRY(train(w));
	TRY(run_log_close(&w->log));
	return write_adapter(w, w->out, w->trainer->state.finished);
}

static void release(struct work *w)
{
	trainer_free(w->trainer);
	program_free(w->program);
	adapter_set_release(&w->set);
	adapter_sites_release(&w->sites);
	train_inputs_release(&w->in);
	pool_free(w->pool);
	json_decref(w->options);
	data_gate_release(&reading.gate);
	free(w->checkpoint);
}

int main(int argc, char **argv)
{
	struct work w = { .log.fd = -1 };
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
	else if (w.out)
		err = sink_close(w.out);
	if (!err && w.trainer && w.trainer->state.finished && !checkpoint &&
	    w.checkpoint)
		(void)unlink(w.checkpoint);
	if (w.signal)
		sig_die(w.signal);
	if (err)
		fprintf(stderr, "%s: %s\n", program.name, err_text());
	else if (w.trainer)
		say_warmup(&w);
	if (inputs_alone(&w.in.in))
		fprintf(stderr, INPUTS_ALONE, program.name);
	release(&w);
	return err;
}
