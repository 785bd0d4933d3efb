#include "infer/feed.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

size_t feed_room(const struct program *program, size_t tokens,
		 size_t sequences)
{
	return tokens + (program ? program_front_most(program) * sequences : 0);
}

int feed_init(struct feed *f, const struct program *program, size_t tokens,
	      size_t sequences)
{
	size_t room = feed_room(program, tokens, sequences);

	memset(f, 0, sizeof(*f));
	f->program = program;
	f->tokens = tokens;
	f->sequences = sequences;
	f->id = calloc(room + 1, sizeof(*f->id));
	f->pos = calloc(room + 1, sizeof(*f->pos));
	f->target = calloc(room + 1, sizeof(*f->target));
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
	f->batch.n = f->batch.nseq = f->batch.ntarget = f->own = 0;
	f->start[0] = 0;
	f->pass = (struct program_pass){
		.batch = &f->batch, .kv = kv, .slot = f->slot,
	};
}

int feed_fits(const struct feed *f, size_t tokens)
{
	return f->batch.nseq < f->sequences &&
	       tokens <= f->tokens - f->own;
}

static void add_token(struct feed *f, uint32_t id, size_t pos, int32_t target)
{
	struct batch *b = &f->batch;

	f->id[b->n] = id;
	f->pos[b->n] = (uint32_t)pos;
	f->target[b->n++] = target;
	b->ntarget += target != LABEL_NONE;
}

size_t feed_add(struct feed *f, const uint32_t *id, const int32_t *target,
		size_t n, size_t first, size_t slot)
{
	size_t front = f->program ? program_front(f->program, f->prompt) : 0;
	struct batch *b = &f->batch;

	assert(feed_fits(f, n));
	f->slot[b->nseq] = slot;
	f->sample[b->nseq] = b->nseq;
	for (size_t i = 0; !first && i < front; i++)
		add_token(f, virtual_id(f->prompt, i), i, LABEL_NONE);
	for (size_t i = 0; i < n; i++)
		add_token(f, id[i], front + first + i,
			  target ? target[i] : LABEL_NONE);
	f->own += n;
	f->start[++b->nseq] = b->n;
	return b->n - n;
}
