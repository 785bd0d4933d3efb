/* A base, or an adapter, as a GGUF */
#include "formats/export.h"

#include <string.h>

#include "formats/export_file.h"
#include "formats/gguf_adapter_out.h"
#include "formats/gguf_model.h"

struct work {
	struct source *from;
	const char *place;
	const struct export_options *o;
	struct export_file file;
	struct gguf_model model;
	struct gguf_adapter_out adapter;
	int seen;               /* streams that are one or the other */
	enum stream_kind kind;
};

static int begin(struct work *w, enum stream_kind kind)
{
	if (kind != STREAM_BASE && kind != STREAM_ADAPTER)
		return 0;
	if (w->seen++)
		return err_set(E_DATA, "there are two bases or adapters; "
			       "merge an adapter first (merge-adapter), or "
			       "export it by itself");
	w->kind = kind;
	TRY(export_file_begin(&w->file, w->place, w->o->force));
	w->model.o = w->o;
	w->model.out.file = &w->file.file;
	if (kind == STREAM_BASE)
		return 0;
	return gguf_adapter_out_begin(&w->adapter, &w->file.file, w->o);
}

static int handle(void *self, const struct item *item)
{
	struct work *w = self;

	if (item->kind == ITEM_HEAD)
		return begin(w, item->stream);
	if (item->stream == STREAM_ADAPTER && item->kind == ITEM_META)
		return gguf_adapter_out_meta(&w->adapter, item->key,
					     item->value);
	if (item->kind != ITEM_TENSOR)
		return 0;
	if (item->stream == STREAM_BASE) {
		TRY(source_load(w->from));
		return gguf_model_add(&w->model, item->tensor);
	}
	if (item->stream != STREAM_ADAPTER ||
	    item->tensor->role != ROLE_ADAPTER)
		return 0;
	TRY(source_load(w->from));
	return gguf_adapter_out_add(&w->adapter, item->tensor);
}

static int run(struct work *w)
{
	TRY(export_each(w->from, handle, w));
	if (!w->seen)
		return err_set(E_DATA, "no base and no adapter on the input");
	TRY(w->kind == STREAM_BASE ? gguf_model_end(&w->model) :
				     gguf_adapter_out_end(&w->adapter));
	return export_file_commit(&w->file);
}

int export_gguf(struct source *from, const char *place,
		const struct export_options *o)
{
	struct work w = { .from = from, .place = place, .o = o };
	int err;

	if (!o->dtype && !o->blocks)
		source_keep_blocks(from);
	err = run(&w);
	gguf_model_release(&w.model);
	gguf_adapter_out_release(&w.adapter);
	export_file_release(&w.file);
	return err;
}
