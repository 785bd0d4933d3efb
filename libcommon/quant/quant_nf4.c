#include "quant/quant_nf4.h"

#include <math.h>
#include <stdlib.h>

#include "base/size.h"
#include "kernel/dyn8.h"
#include "kernel/nf4.h"
#include "kernel/table.h"
#include "quant/cascade.h"
#include "quant/quant_input.h"

enum {
	CHUNK = 16384,          /* elements in a task: whole blocks of any */
	NESTED_CHUNK = 16 * QUANT_NESTED_BLOCK,
};

struct job {
	const struct quant_nf4 *q;
	const struct tensor *from;
	float *scratch;         /* stride for each lane: CHUNK, and for icq
				 * as many again and its room */
	size_t stride;
	uint8_t *code;
	float *absmax;          /* (ngroup) */
	size_t ngroup;
	uint8_t *nested_code;
	float *nested_absmax;
	float *tau;             /* (ngroup), with icq */
	struct icq_gain *gain;  /* a task's */
};

int quant_nf4_block_ok(size_t block)
{
	return block >= NF4_UNIT && block <= QUANT_MOST_BLOCK &&
	       !(block & (block - 1));
}

/* x, n values from first on, less its blocks' shifts. */
static const float *shift(const struct job *j, const float *x, size_t first,
			  size_t n, float *scratch)
{
	float *to = scratch + CHUNK, *room = to + CHUNK;
	size_t block = j->q->block;

	for (size_t i = 0; i < n; i += block) {
		size_t some = size_min(block, n - i);
		float tau = icq_shift(j->q->icq, x + i, some,
				      j->q->rule == QUANT_CPU, room,
				      &j->gain[first / CHUNK]);

		j->tau[(first + i) / block] = tau;
		for (size_t k = i; k < i + some; k++)
			to[k] = x[k] - tau;
	}
	return to;
}

static void encode(void *ctx, size_t task, size_t lane)
{
	const struct job *j = ctx;
	size_t block = j->q->block, first = task * CHUNK;
	size_t n = size_min(CHUNK, j->from->count - first);
	size_t whole = n / block, rest = n % block;
	float *scratch = j->scratch + lane * j->stride;
	const float *x = quant_input(j->from, scratch, first, n);
	uint8_t *code = j->code + first / 2;
	float *absmax = j->absmax + first / block;
	int cpu = j->q->rule == QUANT_CPU;

	if (j->tau)
		x = shift(j, x, first, n, scratch);
	kernels()->nf4_encode(code, absmax, x, whole, block,
			      cpu ? NF4_LEAST : 0);
	if (rest)
		absmax[whole] = nf4_encode_tail(code + whole * block / 2,
						x + whole * block, rest, cpu);
}

static void encode_nested(void *ctx, size_t task, size_t lane)
{
	const struct job *j = ctx;
	size_t first = task * NESTED_CHUNK;

	(void)lane;
	dyn8_encode(j->nested_code + first,
		    j->nested_absmax + first / QUANT_NESTED_BLOCK,
		    j->absmax + first,
		    size_min(NESTED_CHUNK, j->ngroup - first),
		    QUANT_NESTED_BLOCK, dyn8_book,
		    j->q->rule == QUANT_CPU ? DYN8_CPU : DYN8_NEAREST);
}

/* A scale is finite if all values of its block are. */
static int check_finite(const struct job *j)
{
	size_t g = 0;

	while (g < j->ngroup && isfinite(j->absmax[g]))
		g++;
	return g == j->ngroup ? 0 : quant_input_bad(j->from, g * j->q->block);
}

/* The scales in 8 bits; leaves scale - offset in absmax. */
static int nest(struct job *j, double *offset, struct pool *pool)
{
	float mean = cascade_mean(j->absmax, j->ngroup);

	if (!isfinite(mean))
		return err_set(E_DATA, "%s: the sum of its scales overflows, "
			       "so they cannot be quantised; without double "
			       "quantisation they can", j->from->name);
	for (size_t i = 0; i < j->ngroup; i++)
		j->absmax[i] -= mean;
	pool_run(pool, size_ceil(j->ngroup, NESTED_CHUNK), encode_nested, j);
	*offset = mean;
	return 0;
}

/* The shifts, in 8 bits. */
static void describe_shift(struct tensor *to, size_t ngroup, size_t nnested)
{
	int at = tensor_node(to, STORE_DYN8, ngroup);
	struct storage *s = &to->node[at];

	to->node[0].shift = at;
	s->dtype = DTYPE_F32;
	s->block = QUANT_NESTED_BLOCK;
	s->scale = tensor_node(to, STORE_RAW, nnested);
	to->node[s->scale].dtype = DTYPE_F32;
	to->node[s->scale].part = tensor_part(to, DTYPE_F32, nnested);
	s->part = tensor_part(to, DTYPE_U8, ngroup);
}

/* The storage tree, scales before codes; see tensor/tensor.h. */
static int describe(struct tensor *to, const struct tensor *from,
		    const struct quant_nf4 *q)
{
	size_t ngroup = size_ceil(from->count, q->block);
	size_t nnested = size_ceil(ngroup, QUANT_NESTED_BLOCK);
	struct storage *s;

	TRY(tensor_init(to, from->name, from->role, from->dtype, from->rank,
			from->shape));
	to->nnode = to->npart = 0;
	tensor_node(to, STORE_NF4, from->count);
	tensor_node(to, q->nested ? STORE_DYN8 : STORE_RAW, ngroup);
	s = to->node;
	s[0].block = q->block;
	s[0].scale = 1;
	s[1].dtype = DTYPE_F32;
	if (q->nested) {
		s[1].block = QUANT_NESTED_BLOCK;
		s[1].scale = tensor_node(to, STORE_RAW, nnested);
		s[1].shift = tensor_node(to, STORE_CONST, nnested);
		s[2].dtype = s[3].dtype = DTYPE_F32;
		s[2].part = tensor_part(to, DTYPE_F32, nnested);
	}
	s[1].part = tensor_part(to, q->nested ? DTYPE_U8 : DTYPE_F32, ngroup);
	if (q->icq)
		describe_shift(to, ngroup, nnested);
	s[0].part = tensor_part(to, DTYPE_U4, from->count);
	return tensor_alloc_unset(to);
}

static void store_shifts(struct tensor *to, const struct job *j)
{
	const struct storage *s = &to->node[to->node[0].shift];
	uint8_t *code = to->part[s->part].data;
	float *scale = to->part[to->node[s->scale].part].data;

	for (size_t g = 0; g < j->ngroup; g += QUANT_NESTED_BLOCK)
		icq_codes(code + g, scale + g / QUANT_NESTED_BLOCK, j->tau + g,
			  size_min(QUANT_NESTED_BLOCK, j->ngroup - g));
	for (size_t i = 0; i < size_ceil(j->from->count, CHUNK); i++) {
		j->q->gain->plain += j->gain[i].plain;
		j->q->gain->shifted += j->gain[i].shifted;
		j->q->gain->blocks += j->gain[i].blocks;
	}
}

static int fill(struct tensor *to, struct job *j, struct pool *pool)
{
	const struct storage *s = to->node;

	j->code = to->part[s[0].part].data;
	if (j->q->nested) {
		j->nested_code = to->part[s[1].part].data;
		j->nested_absmax = to->part[s[2].part].data;
	} else {
		j->absmax = to->part[s[1].part].data;
	}
	pool_run(pool, size_ceil(j->from->count, CHUNK), encode, j);
	if (j->from->count % 2) /* what is over in a part is 0 */
		j->code[j->from->count / 2] &= 0xf0;
	TRY(check_finite(j));
	if (j->tau)
		store_shifts(to, j);
	return j->q->nested ? nest(j, &to->node[3].value, pool) : 0;
}

/* Work space: lanes, absmax before it is nested, shifts. */
static int make_room(struct job *j, float **room, struct pool *pool)
{
	const struct quant_nf4 *q = j->q;
	size_t lanes = pool_lanes(pool), n;

	j->stride = q->icq ? 2 * CHUNK + icq_room(q->block) : CHUNK;
	n = lanes * j->stride + 2 * j->ngroup;
	*room = malloc(n * sizeof(**room));
	if (q->icq)
		j->gain = calloc(size_ceil(j->from->count, CHUNK),
				 sizeof(*j->gain));
	if (!*room || (q->icq && !j->gain))
		return err_set(E_NOMEM, "%s: out of memory", j->from->name);
	j->scratch = *room;
	j->absmax = *room + lanes * j->stride;
	j->tau = q->icq ? j->absmax + j->ngroup : NULL;
	return 0;
}

int quant_nf4(struct tensor *to, const struct tensor *from,
	      const struct quant_nf4 *q, struct pool *pool)
{
	struct job j = { q, from, .ngroup = size_ceil(from->count, q->block) };
	float *room = NULL;
	int err;

	TRY(quant_input_check(from));
	err = describe(to, from, q);
	if (!err)
		err = make_room(&j, &room, pool);
	if (!err)
		err = fill(to, &j, pool);
	free(room);
	free(j.gain);
	if (err)
		tensor_release(to);
	return err;
}
