/* merge-adapter - fold adapters into the model that they were trained on */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/soft_model.h"
#include "arch/untie.h"
#include "base/os.h"
#include "base/par.h"
#include "base/sig.h"
#include "formats/gather.h"
#include "formats/learned_chat.h"
#include "formats/prompt_rows.h"
#include "formats/sink.h"
#include "infer/verify.h"
#include "tools/merge_adapter.h"
#include "tools/merge_check.h"

struct work {
	struct gather in;
	struct merger merger;
	json_t *added;          /* tokens of all adapters */
	struct grow grow;
	struct learned_chat chat;
	struct prompt_rows prompt; /* a soft prompt, which is merged alone */
	struct untie untie;
	struct verify verify;
	struct merge_keep keep; /* its models, within -m */
	struct pool *pool;
	struct sink *to;
	int has_head;           /* a base does */
	struct merge_size largest;
	struct report report;
};

/* ---- adapters ---- */

/* A prompt becomes tokens; what is in a layer's attention can be nothing. */
static int take_front(struct work *w, struct collected *a,
		      const struct adapter_kind *kind)
{
	TRY(check_prompt(kind, w->in.nadapter));
	w->merger.parts = 1;
	return prompt_rows_open(&w->prompt, &a->tensors);
}

static int take_adapter(struct work *w, struct collected *a, float scale)
{
	json_t *config = json_object_get(a->meta, "adapter");
	const struct adapter_kind *kind =
		adapter_kind_find(json_text(config, "kind", "lora"));

	if (!config)
		return err_set(E_DATA, "an adapter stream without its "
			       "\"adapter\" meta");
	TRY(learned_chat_take(&w->chat, json_object_get(a->meta, "chat")));
	if (kind && kind->front)
		return take_front(w, a, kind);
	TRY(grow_join(w->added, json_object_get(config, "added_tokens")));
	return merger_add(&w->merger, &a->tensors, json_incref(config), scale);
}

static int take_adapters(struct work *w)
{
	for (size_t i = 0; i < w->in.nadapter; i++) {
		double scale;

		TRY(read_scale(&scale, i, w->in.nadapter));
		TRY(take_adapter(w, &w->in.adapter[i], (float)scale));
	}
	w->merger.dtype = dtypes[dtype];
	w->merger.all = dtype != 0;
	w->merger.peft_safe = peft_safe;
	return verify && w->merger.n ? verify_allows(&w->merger) : 0;
}

/* ---- the base ---- */

static int merge_again(struct work *w, struct tensor *to,
		       const struct tensor *from)
{
	struct requant_report r;
	struct tensor merged;
	int err;

	TRY(merge_tensor(&merged, from, &w->merger, DTYPE_F32, w->pool));
	err = requant(to, from, &merged, (enum quant_rule)bnb, &r, w->pool);
	tensor_release(&merged);
	TRY(err);
	err = report_tensor(&w->report, from->name, &r);
	if (err)
		tensor_release(to);
	return err;
}

/* Is it to be quantised again, once an adapter is in it? */
static int is_again(const struct work *w, const struct tensor *t)
{
	return requantise && !tensor_is_plain(t) &&
	       !merger_keeps_codes(&w->merger, t);
}

static int put_merged(struct work *w, const struct tensor *from)
{
	struct tensor t;
	int err;

	TRY(merge_fits_one(from, 1));
	TRY(is_again(w, from) ? merge_again(w, &t, from) :
		    merge_best(&t, from, &w->merger, w->pool));
	err = sink_tensor(w->to, &t);
	if (!err && verify)
		err = verify_after(&w->verify, &t);
	tensor_release(&t);
	return err;
}

/* A prompt changes no weight but the vocabulary's. */
static int stays_quantised(const struct work *w)
{
	return requantise || (w->prompt.p && !w->merger.all);
}

/* Is there anything to do to this tensor? */
static int is_changed(const struct work *w, const struct tensor *t)
{
	if (merger_changes(&w->merger, t->name))
		return 1;
	if (!tensor_is_plain(t))
		return !stays_quantised(w) &&
		       !merger_keeps_codes(&w->merger, t);
	return w->merger.all && dtype_is_float(t->dtype) &&
	       merger_dtype(&w->merger, t) != t->dtype;
}

/* The tensor as it came, where nothing changes. */
static int pass_tensor(struct work *w, struct source *from,
		       const struct item *item)
{
	TRY(merge_fits_one(item->tensor, 0));
	TRY(sink_pass(w->to, from, item));
	return verify ? verify_both(&w->verify, item->tensor) : 0;
}

/* A file that changes, but for what else untie_config() has to do to it. */
static int put_file(struct work *w, struct tensor *blob)
{
	if (!strcmp(blob->name, "file/config.json"))
		TRY(untie_config(&w->untie, &w->merger, blob,
				 !stays_quantised(w)));
	TRY(sink_tensor(w->to, blob));
	if (!verify)
		return 0;
	return w->prompt.p ? verify_after(&w->verify, blob) :
			     verify_both(&w->verify, blob);
}

static int put_tensor(struct work *w, struct source *from,
		      const struct item *item)
{
	struct tensor *t = item->tensor;
	int grows = grow_wants(&w->grow, t);
	int chat = learned_chat_wants(&w->chat, t);
	int file = t->role == ROLE_BLOB;
	int changed = grows || chat || is_changed(w, t) ||
		      (file && !strcmp(t->name, "file/config.json"));

	if (changed || verify || untie_changes(&w->untie, t))
		TRY(source_load(from));
	if (grows)
		TRY(grow_tensor(&w->grow, t));
	if (chat)
		TRY(learned_chat_edit(&w->chat, t));
	if (changed && file)
		return put_file(w, t);
	TRY(untie_tensor(&w->untie, &w->merger, t));
	if (!changed)
		return pass_tensor(w, from, item);
	TRY(put_merged(w, t));
	return verify ? verify_before(&w->verify, t, &w->merger, w->pool) :
			0;
}

/* ---- before the work ---- */

/* A base's tensor: can it be done as it is asked for? */
static int foresee(void *ctx, const struct tensor *t)
{
	struct work *w = ctx;

	merge_note(&w->largest, t, is_changed(w, t));
	if (is_again(w, t) && merger_changes(&w->merger, t->name))
		TRY(requant_can(t));
	w->has_head |= t->role == ROLE_HEAD;
	return merger_foresee(&w->merger, t);
}

static int look_ahead(struct work *w)
{
	int all;

	TRY(gather_look(&w->in, foresee, w, &all));
	TRY(merge_fits(&w->largest));
	return all ? merger_foreseen(&w->merger, w->has_head) : 0;
}

/* ---- a prompt ---- */

static int begin_prompt(struct work *w)
{
	struct tensor_set *files = &w->prompt.files;
	double scale;

	TRY(soft_model_scale(&scale, files));
	TRY(prompt_rows_begin(&w->prompt, (float)scale));
	for (size_t i = 0; i < files->n; i++)
		TRY(put_file(w, &files->at[i]));
	if (!opt_common.quiet)
		fprintf(stderr, "%s: %zu more tokens; a text begins with %s, "
			"as chat templates do\n", program.name,
			tensor_rows(w->prompt.p), w->prompt.text);
	return 0;
}

static int put_prompted(struct work *w, struct tensor *t)
{
	TRY(prompt_rows_put(&w->prompt, t));
	return put_merged(w, t);
}

/* Files wait for the first weight. */
static int put_beside_prompt(struct work *w, struct source *from,
			     const struct item *item)
{
	struct tensor *t = item->tensor;

	if (t->role == ROLE_BLOB && !w->prompt.begun) {
		TRY(source_load(from));
		if (verify)
			TRY(verify_was(&w->verify, t));
		if (learned_chat_wants(&w->chat, t))
			TRY(learned_chat_edit(&w->chat, t));
		return prompt_rows_hold(&w->prompt, t);
	}
	if (!w->prompt.begun)
		TRY(begin_prompt(w));
	if (!prompt_rows_wants(&w->prompt, t))
		return put_tensor(w, from, item);
	TRY(source_load(from));
	TRY(untie_tensor(&w->untie, &w->merger, t));
	if (verify)
		TRY(verify_was(&w->verify, t));
	return put_prompted(w, t);
}

/* A head of its own, where the base has none. */
static int put_head(struct work *w)
{
	const struct tensor *head = untie_head(&w->untie);
	struct tensor copy;
	int err;

	if (!head || !w->prompt.p)
		return head ? put_merged(w, head) : 0;
	TRY(tensor_copy(&copy, head));
	err = put_prompted(w, &copy);
	tensor_release(&copy);
	return err;
}

/* ---- --verify ---- */

/* A prompt was merged alone, and is not the merger's. */
static int check_result(struct work *w)
{
	struct merge_adapter prompt = { .scale = 1 };
	struct merger alone = { .at = &prompt, .n = 1 };

	if (!w->prompt.p)
		return merge_check(&w->verify, &w->keep, &w->merger,
				   &w->report, w->pool);
	prompt.tensors = w->in.adapter->tensors;
	prompt.config = json_object_get(w->in.adapter->meta, "adapter");
	w->verify.front.first = w->prompt.first;
	w->verify.front.n = tensor_rows(w->prompt.p);
	return merge_check(&w->verify, &w->keep, &alone, &w->report, w->pool);
}

static int put_end(struct work *w, struct source *from,
		   const struct item *item)
{
	warn_foreign(&w->in, item->digest);
	TRY(gather_provenance(&w->in, w->to, &program, item));
	return sink_pass(w->to, from, item);
}

/* A file that was made. */
static int put_made(void *ctx, struct tensor *blob)
{
	struct work *w = ctx;

	return w->prompt.p ? prompt_rows_hold(&w->prompt, blob) :
			     put_file(w, blob);
}

static int put_item(struct work *w, struct source *from,
		    const struct item *item)
{
	switch (item->kind) {
	case ITEM_HEAD:
		untie_release(&w->untie);
		prompt_rows_release(&w->prompt);
		learned_chat_begin(&w->chat);
		TRY(merge_keep_begin(&w->keep, &w->verify));
		w->grow = (struct grow){ .added = w->added };
		return sink_pass(w->to, from, item);
	case ITEM_TENSOR:
		if (item->tensor->role != ROLE_BLOB)
			TRY(learned_chat_rest(&w->chat, put_made, w));
		return w->prompt.p ? put_beside_prompt(w, from, item) :
				     put_tensor(w, from, item);
	case ITEM_END:
		TRY(prompt_rows_end(&w->prompt));
		TRY(put_head(w));
		if (verify) {
			TRY(merger_finish(&w->merger));
			TRY(check_result(w));
		}
		return put_end(w, from, item);
	default:
		return sink_pass(w->to, from, item);
	}
}

static int merge(struct work *w)
{
	struct source *from;
	struct item item;

	for (;;) {
		TRY(gather_next(&w->in, &from, &item));
		if (item.kind == ITEM_NONE)
			break;
		TRY(put_item(w, from, &item));
	}
	report_all(&w->report);
	return merger_finish(&w->merger);
}

static int run(struct work *w, char *const *operands)
{
	struct sink_options o = { 0 };
	int err;

	TRY(pool_new(&w->pool, opt_common.threads ? opt_common.threads :
						    os_cpus()));
	TRY(family_bring(opt_common.arch));
	TRY(gather(&w->in, &adapters, operands));
	w->added = json_array();
	if (!w->added)
		return err_set(E_NOMEM, "out of memory");
	TRY(take_adapters(w));
	TRY(look_ahead(w));
	TRY(run_log_open(&w->report.log, opt_common.log, 0));
	o.level = opt_common.raw ? 0 : (int)opt_common.level;
	o.pool = w->pool;
	TRY(sink_open(&w->to, opt_common.output, &o));
	err = merge(w);
	if (!err)
		err = run_log_close(&w->report.log);
	if (!err)
		return sink_close(w->to);
	sink_abort(w->to, err, program.name);
	return err;
}

int main(int argc, char **argv)
{
	struct work w = { .report.log.fd = -1 };
	char **operands;
	size_t noperand;
	int done, err;

	sig_init();
	err = opt_parse(&program, argc, argv, &operands, &noperand, &done);
	if (!err && !done)
		err = run(&w, operands);
	if (err)
		fprintf(stderr, "%s: %s\n", program.name, err_text());
	untie_release(&w.untie);
	prompt_rows_release(&w.prompt);
	merge_keep_release(&w.keep, &w.verify);
	merger_release(&w.merger);
	json_decref(w.added);
	learned_chat_release(&w.chat);
	gather_release(&w.in);
	pool_free(w.pool);
	return err;
}
