#include "formats/hold_base.h"

#include <string.h>

#include "base/digest.h"

static int begin(struct hold_base *h)
{
	if (h->base.present)
		return err_set(E_DATA, "two bases on the input");
	h->base.present = 1;
	h->base.meta = json_object();
	h->base.provenance = json_array();
	return h->base.meta && h->base.provenance ?
		       0 : err_set(E_NOMEM, "out of memory");
}

static int keep(struct hold_base *h, struct source *from,
		const struct item *item)
{
	switch (item->kind) {
	case ITEM_HEAD:
		return begin(h);
	case ITEM_META:
		return json_object_set(h->base.meta, item->key, item->value) ?
			       err_set(E_NOMEM, "out of memory") : 0;
	case ITEM_TENSOR:
		TRY(source_load(from));
		return tensor_set_take(&h->base.tensors, item->tensor);
	case ITEM_OTHER:
		return !strcmp(item->type, "prov") &&
		       json_array_append(h->base.provenance, item->value) ?
			       err_set(E_NOMEM, "out of memory") : 0;
	case ITEM_END:
		memcpy(h->base.digest, item->digest, DIGEST_SIZE);
		return 0;
	default:
		return 0;
	}
}

static int add_samples(struct hold_base *h, const struct batch_columns *b)
{
	size_t token = 0;

	for (size_t i = 0; i < b->n; token += b->len[i++])
		TRY(samples_add(&h->data, b->ids + token, b->labels + token,
				b->len[i]));
	return 0;
}

int hold_base_read(struct hold_base *h, struct source *from, struct sink *to)
{
	struct item item;

	for (;;) {
		TRY(source_next(from, &item));
		if (item.kind == ITEM_NONE)
			break;
		if (item.stream == STREAM_BASE) {
			TRY(keep(h, from, &item));
			continue;
		}
		if (item.kind == ITEM_BATCH && item.stream == STREAM_DATA)
			TRY(add_samples(h, &item.batch));
		TRY(sink_pass(to, from, &item));
	}
	return h->base.present ? 0 : err_set(E_DATA, "no base stream on the "
					     "input");
}

int hold_base_write(const struct hold_base *h, struct sink *to,
		    const struct opt_program *p, const unsigned char *data)
{
	struct input_digest in[2] = { { STREAM_BASE }, { STREAM_DATA } };
	const char *key;
	json_t *v;
	size_t i;

	TRY(sink_head(to, STREAM_BASE));
	json_object_foreach(h->base.meta, key, v)
		TRY(sink_meta(to, key, v));
	for (i = 0; i < h->base.tensors.n; i++)
		TRY(sink_tensor(to, &h->base.tensors.at[i]));
	json_array_foreach(h->base.provenance, i, v)
		TRY(sink_keep(to, v));
	memcpy(in[0].digest, h->base.digest, DIGEST_SIZE);
	if (data)
		memcpy(in[1].digest, data, DIGEST_SIZE);
	TRY(sink_provenance(to, p, in, data ? 2 : 1));
	return sink_end(to, NULL);
}

void hold_base_release(struct hold_base *h)
{
	tensor_set_release(&h->base.tensors);
	json_decref(h->base.meta);
	json_decref(h->base.provenance);
	samples_release(&h->data);
	memset(h, 0, sizeof(*h));
}
