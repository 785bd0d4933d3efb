#include "formats/st_compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/size.h"
#include "formats/source.h"
#include "formats/st_header.h"
#include "weight/weight.h"

enum { BLOCK = 16 << 10, TEXT = 512 };

/* One of the two inputs, and what waits there for its counterpart. */
struct side {
	struct source *from;
	size_t stream;          /* the current one; 0: none began */
	int ended;
	struct tensor_set waiting;      /* named "stream/name" */
	json_t *meta;           /* "stream/key" to value */
	json_t *kinds;          /* of the streams */
	struct digest *data;    /* lengths, ids and labels of all samples */
	size_t samples;
};

struct compare {
	struct side side[2];
	struct st_tolerance tolerance;
	st_difference_fn *fn;
	void *ctx;
	int differ;
	float *block[2];
};

static void tell(struct compare *c, struct st_difference d)
{
	c->differ |= d.differs;
	c->fn(c->ctx, &d);
}

/* name: "stream/name" */
static void tell_how(struct compare *c, const char *what, const char *name,
		     const char *how)
{
	const char *slash = strchr(name, '/');

	tell(c, (struct st_difference){
			.what = what, .name = slash ? slash + 1 : name,
			.how = how, .stream = strtoul(name, NULL, 10),
			.differs = 1 });
}

/* ---- two tensors ---- */

static int same_bytes(const struct tensor *a, const struct tensor *b)
{
	if (a->npart != b->npart)
		return 0;
	for (int i = 0; i < a->npart; i++)
		if (a->part[i].bytes != b->part[i].bytes ||
		    (a->part[i].bytes &&
		     memcmp(a->part[i].data, b->part[i].data,
			    a->part[i].bytes)))
			return 0;
	return 1;
}

/* What TENS says of the storage: all but the name, which is the same. */
static int same_storage(const struct tensor *a, const struct tensor *b,
			int *same)
{
	struct msg_out x = { 0 }, y = { 0 };
	int err = st_tensor_put(&x, a);

	if (!err)
		err = st_tensor_put(&y, b);
	*same = !err && x.n == y.n && !memcmp(x.at, y.at, x.n);
	msg_release(&x);
	msg_release(&y);
	return err;
}

static int measure(struct compare *c, struct st_difference *d,
		   const struct tensor *a, const struct tensor *b)
{
	double sum = 0, own = 0;

	for (size_t at = 0; at < a->count; at += BLOCK) {
		size_t n = size_min(BLOCK, a->count - at);

		TRY(weight_decode(a, c->block[0], at, n));
		TRY(weight_decode(b, c->block[1], at, n));
		for (size_t i = 0; i < n; i++) {
			double x = c->block[0][i], e = x - c->block[1][i];

			if (c->block[0][i] == c->block[1][i] ||
			    (isnan(x) && isnan(c->block[1][i])))
				e = 0;  /* two infinities, two NaN */
			if (!(fabs(e) <= d->most))
				d->most = isnan(e) ? INFINITY : fabs(e);
			sum += e * e;
			own += isfinite(x) ? x * x : 0;
		}
	}
	d->rms = a->count ? sqrt(sum / (double)a->count) : 0;
	d->relative = d->rms == 0 ? 0 : sqrt(sum / own);
	if (isnan(d->rms))
		d->rms = d->relative = INFINITY;
	return 0;
}

static int has_values(const struct tensor *t)
{
	return t->role != ROLE_BLOB;
}

static int compare_values(struct compare *c, const struct tensor *a,
			  const struct tensor *b, size_t stream, int stored)
{
	const char *name = strchr(a->name, '/') + 1;
	struct st_difference d = { .what = "tensor", .name = name,
				   .stream = stream };

	if (!has_values(a) || !has_values(b)) {
		tell_how(c, "tensor", a->name, "other bytes");
		return 0;
	}
	TRY(measure(c, &d, a, b));
	d.differs = c->tolerance.exact ||
		    !(d.most <= c->tolerance.most &&
		      d.relative <= c->tolerance.relative);
	if (stored && d.most == 0)
		d.how = "same values, stored differently";
	tell(c, d);
	return 0;
}

static int compare_tensors(struct compare *c, const struct tensor *a,
			   const struct tensor *b, size_t stream)
{
	char how[TEXT], x[128], y[128];
	int same;

	if (a->rank != b->rank ||
	    memcmp(a->shape, b->shape, sizeof(a->shape))) {
		snprintf(how, sizeof(how), "shape %s and %s",
			 tensor_shape_text(x, a->rank, a->shape),
			 tensor_shape_text(y, b->rank, b->shape));
		tell_how(c, "tensor", a->name, how);
		return 0;
	}
	TRY(same_storage(a, b, &same));
	if (same && same_bytes(a, b))
		return 0;
	return compare_values(c, a, b, stream, !same);
}

/* ---- items ---- */

/* "stream/name" instead of the name, so that streams do not mix. */
static int qualify(struct tensor *t, size_t stream)
{
	size_t size = strlen(t->name) + 32;
	char *name = malloc(size);

	if (!name)
		return err_set(E_NOMEM, "out of memory");
	snprintf(name, size, "%zu/%s", stream, t->name);
	free(t->name);
	t->name = name;
	return 0;
}

static void forget(struct tensor_set *s, struct tensor *t)
{
	tensor_release(t);
	*t = s->at[--s->n];
}

static int take_tensor(struct compare *c, int which, struct tensor *from)
{
	struct side *s = &c->side[which], *other = &c->side[!which];
	struct tensor *match, t;
	int err;

	TRY(source_load(s->from));
	tensor_move(&t, from);
	err = qualify(&t, s->stream - 1);
	match = err ? NULL : tensor_set_find(&other->waiting, t.name);
	if (!err && !match)
		err = tensor_set_take(&s->waiting, &t);
	else if (!err && which == 0)
		err = compare_tensors(c, &t, match, s->stream - 1);
	else if (!err)
		err = compare_tensors(c, match, &t, s->stream - 1);
	if (match)
		forget(&other->waiting, match);
	tensor_release(&t);
	return err;
}

static int take_meta(struct side *s, const struct item *item)
{
	char key[TENSOR_NAME + 32];

	snprintf(key, sizeof(key), "%zu/%s", s->stream - 1, item->key);
	return json_object_set(s->meta, key, item->value) ?
		       err_set(E_NOMEM, "out of memory") : 0;
}

static void take_batch(struct side *s, const struct batch_columns *b)
{
	size_t at = 0;

	for (size_t i = 0; i < b->n; i++) {
		digest_add(s->data, &b->len[i], 4);
		digest_add(s->data, b->ids + at, 4 * (size_t)b->len[i]);
		digest_add(s->data, b->labels + at, 4 * (size_t)b->len[i]);
		at += b->len[i];
	}
	s->samples += b->n;
}

static int take_head(struct side *s, const struct item *item)
{
	s->stream++;
	return json_array_append_new(
		       s->kinds, json_string(stream_kind_name(item->stream))) ?
		       err_set(E_NOMEM, "out of memory") : 0;
}

/* The next tensor of this side, and all that lies before it. */
static int step(struct compare *c, int which)
{
	struct side *s = &c->side[which];
	struct item item;

	for (;;) {
		TRY(source_next(s->from, &item));
		switch (item.kind) {
		case ITEM_NONE:
			s->ended = 1;
			return 0;
		case ITEM_HEAD:
			TRY(take_head(s, &item));
			break;
		case ITEM_META:
			TRY(take_meta(s, &item));
			break;
		case ITEM_BATCH:
			take_batch(s, &item.batch);
			break;
		case ITEM_TENSOR:
			return take_tensor(c, which, item.tensor);
		default:
			break;
		}
	}
}

/* ---- what is left at the end ---- */

static void compare_metas(struct compare *c, int which)
{
	static const char *const only[] = { "only in the first",
					    "only in the second" };
	const char *key;
	json_t *v, *other;

	json_object_foreach(c->side[which].meta, key, v) {
		other = json_object_get(c->side[!which].meta, key);
		if (!other)
			tell_how(c, "meta", key, only[which]);
		else if (which == 0 && !json_equal(v, other))
			tell_how(c, "meta", key, "other values");
	}
	for (size_t i = 0; i < c->side[which].waiting.n; i++)
		tell_how(c, "tensor", c->side[which].waiting.at[i].name,
			 only[which]);
}

static void compare_rest(struct compare *c)
{
	const struct side *a = &c->side[0], *b = &c->side[1];
	char how[TEXT];

	if (!json_equal(a->kinds, b->kinds)) {
		snprintf(how, sizeof(how), "%zu and %zu streams%s", a->stream,
			 b->stream, a->stream == b->stream ?
			 ", of other kinds" : "");
		tell_how(c, "stream", "", how);
	}
	compare_metas(c, 0);
	compare_metas(c, 1);
	if (a->samples != b->samples) {
		snprintf(how, sizeof(how), "%zu and %zu samples", a->samples,
			 b->samples);
		tell_how(c, "data", "", how);
	} else if (digest_get_64(a->data) != digest_get_64(b->data)) {
		tell_how(c, "data", "", "other samples");
	}
}

/* ---- the whole ---- */

static int init(struct compare *c, char *const *a, char *const *b)
{
	for (int i = 0; i < 2; i++) {
		struct side *s = &c->side[i];

		TRY(source_open(&s->from, i ? b : a));
		TRY(digest_new(&s->data));
		s->meta = json_object();
		s->kinds = json_array();
		c->block[i] = malloc(BLOCK * sizeof(*c->block[i]));
		if (!s->meta || !s->kinds || !c->block[i])
			return err_set(E_NOMEM, "out of memory");
	}
	return 0;
}

static void release(struct compare *c)
{
	for (int i = 0; i < 2; i++) {
		struct side *s = &c->side[i];

		source_close(s->from);
		digest_free(s->data);
		tensor_set_release(&s->waiting);
		json_decref(s->meta);
		json_decref(s->kinds);
		free(c->block[i]);
	}
}

static int run(struct compare *c, char *const *a, char *const *b)
{
	TRY(init(c, a, b));
	while (!c->side[0].ended || !c->side[1].ended)
		for (int i = 0; i < 2; i++)
			if (!c->side[i].ended)
				TRY(step(c, i));
	compare_rest(c);
	return 0;
}

int st_compare(int *differ, char *const *a, char *const *b,
	       const struct st_tolerance *tolerance, st_difference_fn *fn,
	       void *ctx)
{
	struct compare c = { .tolerance = *tolerance, .fn = fn, .ctx = ctx };
	int err = run(&c, a, b);

	release(&c);
	*differ = c.differ;
	return err;
}
