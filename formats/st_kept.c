#include "formats/st_kept.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "formats/st_record.h"

enum { KEPT_BYTES = 64 << 20 };

int st_kept_add(struct st_kept *k, const void *header, size_t n)
{
	struct st_kept_header *h;

	for (size_t i = 0; i < k->n; i++)
		if (k->at[i].n == n && !memcmp(k->at[i].header, header, n))
			return 0;
	if (k->n == ST_KEPT || n > KEPT_BYTES - k->bytes)
		return err_set(E_DATA, "too many provenance records");
	if (k->n == k->room) {
		size_t room = 2 * k->room + 16;

		h = realloc(k->at, room * sizeof(*h));
		if (!h)
			return err_set(E_NOMEM, "out of memory");
		k->at = h;
		k->room = room;
	}
	h = &k->at[k->n];
	h->header = malloc(n + 1);
	if (!h->header)
		return err_set(E_NOMEM, "out of memory");
	memcpy(h->header, header, n);
	h->n = n;
	k->n++;
	k->bytes += n;
	return 0;
}

void st_kept_release(struct st_kept *k)
{
	for (size_t i = 0; i < k->n; i++)
		free(k->at[i].header);
	free(k->at);
	memset(k, 0, sizeof(*k));
}

/* By kind; within a kind as they came. */
static int put_inputs(json_t *in, const struct input_digest *input, size_t n)
{
	char hex[DIGEST_HEX];
	int bad = 0;

	for (int kind = 0; kind < STREAM_COUNT; kind++)
		for (size_t i = 0; i < n; i++) {
			if ((int)input[i].kind != kind)
				continue;
			digest_hex(hex, input[i].digest);
			bad |= json_array_append_new(
				in, json_pack("{ssss}", "content", hex, "kind",
					      stream_kind_name(kind)));
		}
	return bad;
}

static int put_options(json_t *params, const struct opt *o)
{
	char text[8192];
	int bad = 0;

	for (; o && o->name; o++)
		if (o->flags & OPT_RECORD)
			bad |= json_object_set_new(
				params, o->name,
				json_string(opt_value_text(o, text,
							   sizeof(text))));
	return bad;
}

int st_kept_record(json_t **record, const struct opt_program *p,
		   const struct input_digest *input, size_t n)
{
	json_t *in = json_array(), *params = json_object();

	if (!in || !params || put_inputs(in, input, n) ||
	    put_options(params, p->own) || put_options(params, p->shared)) {
		json_decref(in);
		json_decref(params);
		return err_set(E_NOMEM, "provenance cannot be made");
	}
	*record = json_pack("{so so ss ss}", "in", in, "params", params, "tool",
			    p->name, "ver", VERSION);
	return *record ? 0 : err_set(E_NOMEM, "provenance cannot be made");
}
