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
	float *scratch;         /* CHUNK for each lane */
	uint8_t *code;
	float *absmax;          /* (ngroup) */
	size_t ngroup;
	uint8_t *nested_code;
	float *nested_absmax;
};

int quant_nf4_block_ok(size_t block)
{
	return block >= NF4_UNIT && block <= QUANT_MOST_BLOCK &&
	       !(block & (block - 1));
}

static void encode(void *ctx, size_t task, size_t lane)
{
	const struct job *j = ctx;
	size_t block = j->q->block, first = task * CHUNK;
	size_t n = size_min(CHUNK, j->from->count - first);
	size_t whole = n / block, rest = n % block;
	const float *x = quant_input(j->from, j->scratch + lane * CHUNK,
				     first, n);
	uint8_t *code = j->code + first / 2;
	float *absmax = j->absmax + first / block;
	int cpu = j->q->rule == QUANT_CPU;

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
	s[0].part = tensor_part(to, DTYPE_U4, from->count);
	return tensor_alloc(to);
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
	return j->q->nested ? nest(j, &to->node[3].value, pool) : 0;
}

int quant_nf4(struct tensor *to, const struct tensor *from,
	      const struct quant_nf4 *q, struct pool *pool)
{
	struct job j = { q, from, .ngroup = size_ceil(from->count, q->block) };
	size_t scratch = pool_lanes(pool) * CHUNK;
	float *room;
	int err;

	TRY(quant_input_check(from));
	err = describe(to, from, q);
	room = malloc((scratch + (q->nested ? j.ngroup : 0)) * sizeof(*room));
	if (!err && !room)
		err = err_set(E_NOMEM, "%s: out of memory", from->name);
	j.scratch = room;
	j.absmax = room ? room + scratch : NULL;
	if (!err)
		err = fill(to, &j, pool);
	free(room);
	if (err)
		tensor_release(to);
	return err;
}
