/*
 * compare - do two models say the same?
 *
 * Both run over the same tokens; their logits are compared at every position.
 */
#ifndef INFER_COMPARE_H
#define INFER_COMPARE_H

#include "arch/program.h"
#include "data/samples.h"

struct comparison {
	size_t tokens;          /* of the data */
	double most;            /* largest difference of two logits */
	double relative;        /* largest of a position's, over the largest
				 * magnitude of its logits in the first */
	double rms;             /* root mean square of the differences, over
				 * that of the first one's logits less the mean
				 * of their position */
	double kl;              /* mean divergence of the second one's
				 * distribution from the first's, nats */
	double agree;           /* share of positions of one likeliest token */
};

/* The second model's tokens first to first + n - 1 are what a soft prompt of n
 * rows is for the first one. n 0: there is none. */
struct compare_front {
	size_t first, n;
};

/*
 * Plans both programs and runs at most tokens of data through them, in
 * sequences of at most COMPARE_LENGTH tokens. Where front stands before each,
 * its positions are compared too, and logits of tokens below front.first, of
 * which the data is made. Same numbers for any pool. memory: that both may
 * take, those of their weights that are in pages come and go in what is left
 * of it; 0: what is free.
 * E_DATA: a token outside the vocabulary, two vocabularies, logits that are
 * not finite; E_NOMEM.
 */
enum { COMPARE_LENGTH = 128 };

int compare_models(struct comparison *c, struct program *a, struct program *b,
		   struct compare_front front, const struct samples *data,
		   size_t tokens, uint64_t memory,
		   struct pool *pool) MUST_CHECK;

/* "9 tokens: logits differ by ...", for people; returns text. */
enum { COMPARISON_TEXT = 256 };

const char *comparison_text(char text[COMPARISON_TEXT],
			    const struct comparison *c);

/* {"verify_tokens", "most", "relative", "rms", "kl", "agree"}; a new reference.
 * E_NOMEM. */
int comparison_json(json_t **line, const struct comparison *c) MUST_CHECK;

/* Sequences of random tokens, tokens in all. E_NOMEM. */
int compare_random(struct samples *data, size_t vocab, size_t tokens,
		   uint64_t seed) MUST_CHECK;

#endif
