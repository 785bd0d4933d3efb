#include "formats/linear_filter.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/regex.h"
#include "weight/plain.h"
#include "weight/storage.h"

struct work {
	struct linear_filter *f;
	struct regex *skip;
};

static int left_alone(const struct work *w, const char *name, int *yes)
{
	size_t start, end;

	*yes = 0;
	if (w->f->wanted) {
		TRY(w->f->wanted(w->f->ctx, name, yes));
		*yes = !*yes;
		return 0;
	}
	if (!w->skip)
		return 0;
	return regex_search(w->skip, name, strlen(name), 0, yes, &start, &end);
}

static int change(void *ctx, struct source *from, const struct item *item,
		  struct sink *to)
{
	struct work *w = ctx;
	struct tensor t, plain = { 0 };
	const struct tensor *of = item->tensor;
	int err, alone;

	if (item->tensor->role != ROLE_LINEAR)
		return sink_pass(to, from, item);
	w->f->linear++;
	TRY(left_alone(w, item->tensor->name, &alone));
	if (alone)
		return sink_pass(to, from, item);
	if (!tensor_is_plain(of) && !storage_is_blocks(of))
		return err_set(E_DATA, "%s: it is quantised already; begin "
			       "with a base that is not",
			       of->name);
	TRY(source_load(from));
	if (storage_is_blocks(of)) {
		TRY(weight_plain(&plain, of, of->dtype));
		of = &plain;
	}
	err = w->f->quantise(w->f->ctx, &t, of);
	tensor_release(&plain);
	TRY(err);
	w->f->done++;
	w->f->before += tensor_bytes(item->tensor);
	w->f->after += tensor_bytes(&t);
	err = sink_tensor(to, &t);
	tensor_release(&t);
	return err;
}

int linear_filter_config(const struct linear_filter *f, struct source *from,
			 const struct item *item)
{
	const struct tensor *t = item->kind == ITEM_TENSOR ? item->tensor :
							     NULL;
	json_t *config;
	int err;

	if (!f->config || !t || t->role != ROLE_BLOB ||
	    strcmp(t->name, "file/config.json"))
		return 0;
	TRY(source_load(from));
	err = json_parse(&config, t->part[0].data, t->part[0].bytes);
	if (err)
		return err_at(err, "config.json");
	err = f->config(f->ctx, config);
	json_decref(config);
	return err;
}

static int look(void *ctx, struct source *from, const struct item *item)
{
	const struct work *w = ctx;

	return linear_filter_config(w->f, from, item);
}

int linear_filter_run(struct linear_filter *f, const struct opt_program *p,
		      char *const *operands, struct pool *pool)
{
	struct work w = { f };
	struct filter all = { .kind = STREAM_BASE, .tensor = change, .ctx = &w,
			      .look = look, .required = 1 };
	int err;

	if (f->skip)
		TRY(regex_new(&w.skip, f->skip, strlen(f->skip), E_USAGE));
	err = filter_run(&all, p, operands, pool);
	regex_free(w.skip);
	return err;
}

const char *linear_filter_text(const struct linear_filter *f, char *buf)
{
	if (!f->linear)
		return "the base has no linear weight: nothing was quantised";
	if (f->wanted && !f->done)
		return "the recipe gives no weight to this program: nothing "
		       "was quantised";
	if (f->skip && f->done == f->linear && !opt_common.quiet) {
		snprintf(buf, 200, "--skip %.100s: no linear weight has that "
			 "in its name", f->skip);
		return buf;
	}
	if (!opt_common.verbose)
		return NULL;
	snprintf(buf, 200, "%zu of %zu linear weights, %.1f MB to %.1f MB",
		 f->done, f->linear, (double)f->before * 1e-6,
		 (double)f->after * 1e-6);
	return buf;
}
