#include "infer/feed.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int feed_init(struct feed *f, size_t tokens, size_t sequences)
{
	memset(f, 0, sizeof(*f));
	f->tokens = tokens;
	f->sequences = sequences;
	f->id = calloc(tokens + 1, sizeof(*f->id));
	f->pos = calloc(tokens + 1, sizeof(*f->pos));
	f->target = calloc(tokens + 1, sizeof(*f->target));
	f->start = calloc(sequences + 1, sizeof(*f->start));
	f->slot = calloc(sequences + 1, sizeof(*f->slot));
	f->sample = calloc(sequences + 1, sizeof(*f->sample));
	if (!f->id || !f->pos || !f->target || !f->start || !f->slot ||
	    !f->sample) {
		feed_release(f);
		return err_set(E_NOMEM, "out of memory");
	}
	f->batch = (struct batch){
		.id = f->id, .pos = f->pos, .start = f->start,
		.sample = f->sample, .target = f->target,
	};
	return 0;
}

void feed_release(struct feed *f)
{
	free(f->id);
	free(f->pos);
	free(f->target);
	free(f->start);
	free(f->slot);
	free(f->sample);
	memset(f, 0, sizeof(*f));
}

void feed_clear(struct feed *f, struct kv_cache *kv)
{
	f->batch.n = f->batch.nseq = f->batch.ntarget = 0;
	f->start[0] = 0;
	f->pass = (struct program_pass){
		.batch = &f->batch, .kv = kv, .slot = f->slot,
	};
}

int feed_fits(const struct feed *f, size_t tokens)
{
	return f->batch.nseq < f->sequences &&
	       tokens <= f->tokens - f->batch.n;
}

void feed_add(struct feed *f, const uint32_t *id, const int32_t *target,
	      size_t n, size_t first, size_t slot)
{
	struct batch *b = &f->batch;

	assert(feed_fits(f, n));
	f->slot[b->nseq] = slot;
	f->sample[b->nseq] = b->nseq;
	for (size_t i = 0; i < n; i++) {
		size_t at = b->n + i;

		f->id[at] = id[i];
		f->pos[at] = (uint32_t)(first + i);
		f->target[at] = target ? target[i] : LABEL_NONE;
		b->ntarget += f->target[at] != LABEL_NONE;
	}
	b->n += n;
	f->start[++b->nseq] = b->n;
}
