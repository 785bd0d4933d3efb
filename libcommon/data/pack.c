#include "data/pack.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/size.h"

/* Tokens of the sample's own. */
static size_t own_len(const struct pack *p, size_t i)
{
	const struct samples *s = p->samples;

	return size_min(s->start[i + 1] - s->start[i], p->options.length);
}

static size_t sample_len(const struct pack *p, size_t i)
{
	return p->options.front + own_len(p, i);
}

/* Tokens of a row at most. */
static size_t row_len(const struct pack *p)
{
	return p->options.front + p->options.length;
}

/* The order of epoch p->place.epoch (Fisher and Yates' shuffle). */
static void set_order(struct pack *p)
{
	struct rng r = rng_at(rng_of(p->options.seed, "shuffle"),
			      (uint32_t)p->place.epoch, 0);

	for (size_t i = 0; i < p->samples->n; i++)
		p->order[i] = i;
	if (!p->options.shuffle)
		return;
	for (size_t i = p->samples->n - 1; i > 0; i--) {
		size_t k = (size_t)rng_below(r, i, i + 1), was = p->order[i];

		p->order[i] = p->order[k];
		p->order[k] = was;
	}
}

/* The sample after the row that begins with the sample at first. */
static size_t row_end(const struct pack *p, size_t first, size_t *tokens)
{
	size_t i = first, sum = 0;

	do
		sum += sample_len(p, p->order[i++]);
	while (!p->options.single && i < p->samples->n &&
	       sum + sample_len(p, p->order[i]) <= row_len(p));
	*tokens += sum;
	return i;
}

static size_t batch_end(const struct pack *p, size_t first, size_t *tokens)
{
	size_t end = first;

	*tokens = 0;
	for (size_t row = 0; row < p->options.rows && end < p->samples->n;
	     row++)
		end = row_end(p, end, tokens);
	return end;
}

static size_t targets(const struct pack *p, size_t i)
{
	const struct samples *s = p->samples;
	size_t n = 0, first = s->start[i], len = own_len(p, i);

	for (size_t t = !p->options.predicts; t < len; t++)
		n += s->label[first + t] != LABEL_NONE;
	return n;
}

int pack_init(struct pack *p, const struct samples *s,
	      const struct pack_options *o)
{
	size_t found = 0;

	memset(p, 0, sizeof(*p));
	p->options = *o;
	p->samples = s;
	p->order = calloc(s->n + 1, sizeof(*p->order));
	p->targets = calloc(s->n + 1, sizeof(*p->targets));
	if (!p->order || !p->targets)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < s->n; i++)
		found += p->targets[i] = (uint32_t)targets(p, i);
	if (!found)
		return err_set(E_DATA, "the data has no labelled token");
	set_order(p);
	return 0;
}

void pack_release(struct pack *p)
{
	free(p->order);
	free(p->targets);
	free(p->memory);
	memset(p, 0, sizeof(*p));
}

static void go(struct pack *p, struct pack_place place)
{
	int other = place.epoch != p->place.epoch;

	p->place = place;
	if (other)
		set_order(p);
}

int pack_seek(struct pack *p, struct pack_place place)
{
	if (place.sample > p->samples->n)
		return err_set(E_DATA, "the data has %zu samples, sample %zu "
			       "is next", p->samples->n, place.sample + 1);
	go(p, place);
	return 0;
}

size_t pack_count(struct pack *p, uint64_t epoch)
{
	size_t n = 0;

	go(p, (struct pack_place){ epoch, 0 });
	for (size_t i = 0, tokens; i < p->samples->n; n++)
		i = batch_end(p, i, &tokens);
	go(p, (struct pack_place){ 0, 0 });
	return n;
}

struct pack_place pack_skip(struct pack *p, uint64_t n)
{
	go(p, (struct pack_place){ 0, 0 });
	for (size_t tokens; n > 0; n--) {
		if (p->place.sample == p->samples->n)
			go(p, (struct pack_place){ p->place.epoch + 1, 0 });
		p->place.sample = batch_end(p, p->place.sample, &tokens);
	}
	return p->place;
}

/* ---- what batches have ---- */

static int by_size(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return (x > y) - (x < y);
}

/* Packed, a batch has at most its rows' tokens, and at most as many samples as
 * the shortest that they hold; else, the longest so many samples. */
int pack_bound(const struct pack *p, struct pack_most *most)
{
	size_t n = p->samples->n, tokens = 0, count = 0, room = SIZE_MAX;
	size_t longest;
	size_t *len = calloc(n, sizeof(*len));

	if (!len)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		len[i] = sample_len(p, i);
	qsort(len, n, sizeof(*len), by_size);
	longest = n ? len[n - 1] : 0;
	if (p->options.single) {
		count = size_min(p->options.rows, n);
		for (size_t i = n - count; i < n; i++)
			tokens += len[i];
	} else {
		(void)size_mul(&room, p->options.rows, row_len(p));
		for (size_t i = 0; i < n; i++) {
			tokens += len[i];
			count += tokens <= room;
		}
		tokens = size_min(tokens, room);
	}
	free(len);
	most->tokens = size_max(most->tokens, tokens);
	most->sequences = size_max(most->sequences, count);
	most->longest = size_max(most->longest, longest);
	return 0;
}

size_t pack_turn(size_t targets, size_t most)
{
	return targets ? size_ceil(targets, size_ceil(targets, most)) : 0;
}

static void raise_to(struct pack_most *most, const struct pack_most *part,
		     const struct pack_cut *cut)
{
	size_t turn = pack_turn(part->targets, cut->targets);

	most->tokens = size_max(most->tokens, part->tokens);
	most->sequences = size_max(most->sequences, part->sequences);
	most->longest = size_max(most->longest, part->longest);
	most->targets = size_max(most->targets, turn);
}

/* The parts of the batch of samples [first, end) of the order. */
static void measure_batch(const struct pack *p, size_t first, size_t end,
			  const struct pack_cut *cut, struct pack_most *most)
{
	struct pack_most part = { 0 };

	for (size_t i = first; i < end; i++) {
		size_t len = sample_len(p, p->order[i]);

		if (part.sequences && part.tokens + len > cut->tokens) {
			raise_to(most, &part, cut);
			part = (struct pack_most){ 0 };
		}
		part.tokens += len;
		part.sequences++;
		part.longest = size_max(part.longest, len);
		part.targets += p->targets[p->order[i]];
	}
	raise_to(most, &part, cut);
}

void pack_measure(struct pack *p, uint64_t n, const struct pack_cut *cut,
		  struct pack_most *most)
{
	size_t end, tokens;

	go(p, (struct pack_place){ 0, 0 });
	for (; n > 0; n--) {
		if (p->place.sample == p->samples->n) {
			if (!p->options.shuffle)
				break; /* every epoch is as the first */
			go(p, (struct pack_place){ p->place.epoch + 1, 0 });
		}
		end = batch_end(p, p->place.sample, &tokens);
		measure_batch(p, p->place.sample, end, cut, most);
		p->place.sample = end;
	}
	go(p, (struct pack_place){ 0, 0 });
}

/* ---- batches ---- */

size_t pack_bytes(const struct pack_most *m)
{
	size_t n = m->sequences * (sizeof(uint64_t) + sizeof(size_t)) +
		   sizeof(size_t) + m->tokens * 3 * sizeof(uint32_t);

	return size_align(n, sizeof(uint64_t)); /* one behind another */
}

/* The columns in pack_bytes() of memory. */
static struct pack_columns columns_at(void *memory, const struct pack_most *m)
{
	struct pack_columns c = { .sample = memory };

	c.start = (size_t *)(c.sample + m->sequences);
	c.id = (uint32_t *)(c.start + m->sequences + 1);
	c.pos = c.id + m->tokens;
	c.target = (int32_t *)(c.pos + m->tokens);
	return c;
}

int pack_plan(struct pack *p, const struct pack_most *most)
{
	p->memory = malloc(pack_bytes(most));
	if (!p->memory)
		return err_set(E_NOMEM, "out of memory");
	p->to = columns_at(p->memory, most);
	return 0;
}

struct batch batch_copy(const struct batch *b, void *memory,
			const struct pack_most *most)
{
	struct pack_columns c = columns_at(memory, most);
	struct batch copy = *b;

	memcpy(c.sample, b->sample, b->nseq * sizeof(*c.sample));
	memcpy(c.start, b->start, (b->nseq + 1) * sizeof(*c.start));
	memcpy(c.id, b->id, b->n * sizeof(*c.id));
	memcpy(c.pos, b->pos, b->n * sizeof(*c.pos));
	memcpy(c.target, b->target, b->n * sizeof(*c.target));
	copy.sample = c.sample;
	copy.start = c.start;
	copy.id = c.id;
	copy.pos = c.pos;
	copy.target = c.target;
	return copy;
}

/* Appends a token of the sample in hand, and what it is to predict. */
static void append_token(struct pack *p, uint32_t id, int32_t target)
{
	struct batch *b = &p->batch;

	p->to.id[b->n] = id;
	p->to.pos[b->n] = (uint32_t)(b->n - p->to.start[b->nseq]);
	p->to.target[b->n++] = target;
	b->ntarget += target != LABEL_NONE;
}

/* Appends sample i to the batch. */
static void append(struct pack *p, size_t i)
{
	const struct samples *s = p->samples;
	size_t len = own_len(p, i), front = p->options.front;
	const uint32_t *id = s->id + s->start[i];
	const int32_t *label = s->label + s->start[i];

	for (size_t t = 0; t < front; t++)
		append_token(p, virtual_id(0, t), t + 1 == front && len &&
			     p->options.predicts ? label[0] : LABEL_NONE);
	for (size_t t = 0; t < len; t++)
		append_token(p, id[t],
			     t + 1 < len ? label[t + 1] : LABEL_NONE);
	p->to.sample[p->batch.nseq++] = i;
	p->to.start[p->batch.nseq] = p->batch.n;
}

const struct batch *pack_next(struct pack *p)
{
	size_t end, tokens;

	assert(p->memory);
	if (p->place.sample == p->samples->n)
		go(p, (struct pack_place){ p->place.epoch + 1, 0 });
	end = batch_end(p, p->place.sample, &tokens);
	p->batch = (struct batch){
		.id = p->to.id, .pos = p->to.pos, .start = p->to.start,
		.sample = p->to.sample, .target = p->to.target,
	};
	p->to.start[0] = 0;
	while (p->place.sample < end)
		append(p, p->order[p->place.sample++]);
	return &p->batch;
}

int batch_part(struct batch *part, const struct batch *whole, size_t *next,
	       size_t most, size_t *start)
{
	size_t first = *next, from, n = 0;

	if (first >= whole->nseq)
		return 0;
	from = whole->start[first];
	while (first + n < whole->nseq &&
	       (!n || whole->start[first + n + 1] - from <= most)) {
		start[n] = whole->start[first + n] - from;
		n++;
	}
	start[n] = whole->start[first + n] - from;
	*next = first + n;
	*part = (struct batch){
		.n = start[n], .nseq = n, .id = whole->id + from,
		.pos = whole->pos + from, .start = start,
		.sample = whole->sample + first,
		.target = whole->target + from,
	};
	for (size_t t = 0; t < part->n; t++)
		part->ntarget += part->target[t] != LABEL_NONE;
	return 1;
}
