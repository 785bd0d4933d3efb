#include "formats/filter.h"

#include <string.h>

#include "formats/base_config.h"

struct run {
	const struct filter *f;
	const struct opt_program *p;
	struct source *from;
	struct sink *to;
	int ours;               /* the current stream is of our kind */
	int seen;               /* one was */
};

/* What one stream became was made of that stream: it is the only input. */
static int end_stream(struct run *r, const struct item *item)
{
	struct input_digest in = { .kind = item->stream };

	memcpy(in.digest, item->digest, sizeof(in.digest));
	TRY(sink_provenance(r->to, r->p, &in, 1));
	return sink_pass(r->to, r->from, item);
}

static int handle(struct run *r, const struct item *item)
{
	const struct filter *f = r->f;

	if (item->kind == ITEM_HEAD && item->stream != f->kind)
		return sink_pass_stream(r->to, r->from, item);
	if (item->kind == ITEM_HEAD)
		r->seen = 1;
	if (f->look)
		TRY(f->look(f->ctx, r->from, item));
	if (item->kind == ITEM_TENSOR)
		return f->tensor(f->ctx, r->from, item, r->to);
	if (item->kind == ITEM_END)
		return end_stream(r, item);
	return sink_pass(r->to, r->from, item);
}

static int run(struct run *r)
{
	struct item item;

	do {
		TRY(source_next(r->from, &item));
		if (item.kind != ITEM_NONE)
			TRY(handle(r, &item));
	} while (item.kind != ITEM_NONE);
	if (r->f->required && !r->seen)
		return err_set(E_DATA, "no %s stream on the input",
			       stream_kind_name(r->f->kind));
	return 0;
}

int filter_run(const struct filter *f, const struct opt_program *p,
	       char *const *operands, struct pool *pool)
{
	struct run r = { .f = f, .p = p };
	struct sink_options o = {
		.level = opt_common.raw ? 0 : (int)opt_common.level,
		.pool = pool,
	};
	json_t *base = NULL;
	int err;

	if (f->base)
		TRY(base_config(&base, f->base));
	err = source_open(&r.from, operands);
	if (err) {
		json_decref(base);
		return err;
	}
	if (f->keep_blocks)
		source_keep_blocks(r.from);
	source_base(r.from, base);
	json_decref(base);
	err = sink_open(&r.to, opt_common.output, &o);
	if (!err)
		err = run(&r);
	source_close(r.from);
	if (!err)
		return sink_close(r.to);
	sink_abort(r.to, err, p->name);
	return err;
}
