/* gemm_pieces - a product of one output, whose k is long, piece by piece */
#include "kernel/gemm_pieces.h"

#include "base/size.h"

enum {
	PIECE_FLOATS = 2 << 20,         /* of X ... */
	PIECE_LEAST = 5 * GEMM_KC,      /* ... of so many k at least */
};

static size_t all_k(const struct gemm_output *o)
{
	size_t k = 0;

	for (size_t t = 0; t < o->nterm; t++)
		k += o->term[t].k;
	return k;
}

/* The next k of out's terms from (t, k) on: at most so many, whole blocks. */
static void next_piece(struct gemm_output *part, const struct gemm_output *out,
		       size_t *t, size_t *k, size_t most)
{
	for (part->nterm = 0; *t < out->nterm; ++*t, *k = 0) {
		struct gemm_term to = out->term[*t];
		size_t left = to.k - *k;

		to.x += *k;
		to.k0 += *k;
		to.dot = NULL; /* it knows but all of k */
		to.k = left <= most ? left : most / GEMM_KC * GEMM_KC;
		if (to.k)
			part->term[part->nterm++] = to;
		*k += to.k;
		most -= to.k;
		if (to.k < left)
			return;
	}
}

/*
 * One output of a long k, such as a head's dx: all rows, or many, of a piece
 * of k at a time. So W is decoded once for them, and X is multiplied while it
 * is still near. The blocks of k are the same ones, in the same order.
 */
static void gemm_pieces(struct pool *pool, void *space, size_t m,
			const struct gemm_output *out)
{
	size_t rows = size_min(size_align(m, GEMM_MR),
			       PIECE_FLOATS / PIECE_LEAST);
	size_t most = PIECE_FLOATS / rows / GEMM_KC * GEMM_KC;
	struct gemm_output part = *out;
	size_t t = 0, k = 0;

	while (t < out->nterm) {
		next_piece(&part, out, &t, &k, most);
		part.early = t == out->nterm && out->early; /* scaled once */
		gemm_rows(pool, space, m, &part, 1);
		part.add = 1;
	}
}

void gemm(struct pool *pool, void *space, size_t m,
	  const struct gemm_output *out, size_t nout)
{
	if (nout == 1 && size_align(m, GEMM_MR) * all_k(out) > GEMM_ONE_FLOATS)
		gemm_pieces(pool, space, m, out);
	else
		gemm_rows(pool, space, m, out, nout);
}
