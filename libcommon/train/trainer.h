/*
 * trainer - the step, and the run that it is repeated in
 *
 * A step is so many batches (micro-batches): forward, loss, backward, their
 * gradients adding up as sums over label tokens; then one division by the
 * step's label tokens, clipping, and the optimizer. Sums go sequence by
 * sequence, so a batch that is too large for memory is run in parts, to the
 * same bits. The batches of all epochs
 * are one sequence that is cut into steps; the last step may be short.
 *
 * trainer_new() counts and plans, trainer_start() takes the memory; then
 * nothing is allocated but log lines. What a run is, is in its state and its
 * tensors: a run that is given them goes on as if it had never stopped.
 */
#ifndef TRAIN_TRAINER_H
#define TRAIN_TRAINER_H

#include "arch/program.h"
#include "data/pack.h"
#include "train/loss.h"
#include "train/optim.h"
#include "train/paging.h"
#include "train/schedule.h"

struct trainer_options {
	const struct optim_kind *optim;
	struct optim_options move;
	const struct schedule_kind *schedule;
	double lr;
	double min_lr_rate;     /* cosine_with_min_lr's least, of lr */
	size_t warmup_steps;
	double warmup_ratio;    /* of the steps, where warmup_steps is 0 ... */
	size_t warmup_least;    /* ... and the run has so many steps */
	double max_grad_norm;   /* 0: no clipping */
	size_t accumulate;      /* batches of a step */
	size_t steps;           /* 0: so many epochs */
	double epochs;
	struct pack_options pack;
	size_t eval_every;      /* steps; 0: at the end only */
	size_t patience;        /* evaluations without a better loss; 0: off */
	size_t checkpoint_every; /* steps; 0: never */
	size_t stop_after;      /* stop when this step is done; 0: do not */
	size_t filter_every;    /* steps; 0: calls.filter is never called */
	uint64_t budget;        /* bytes for everything; 0: what is free */
	uint64_t page_memory;   /* of it, for the pages of a base that is not in
				 * memory; 0: what the plan leaves, if not all
				 * fits */
	int page_optimizer;     /* its states too, even if they fit */
};

/* What a run has come to. */
struct train_state {
	uint64_t step, steps;   /* done, in all */
	uint64_t tokens;        /* input tokens seen */
	struct pack_place place;
	double best;            /* least eval_loss, when best_step */
	uint64_t best_step, worse; /* evaluations since the best */
	int finished;
};

/* What a run needs, before it begins. */
struct train_plan {
	struct bytes_plan bytes;
	struct program_need need;
	uint64_t steps, batches;
	double tokens_per_step;
	struct pack_most most;
	size_t capacity;        /* bytes for pages; 0: the base is held */
	int page_optimizer;     /* its states are in pages */
	uint64_t paged, least;  /* bytes of the base's pages, and of pages that
				 * a plan that failed wanted at least */
	uint64_t carried;       /* what a step leaves at a layer to come back
				 * to, in pages too */
};

struct trainer;

/* What happens in a run; each may be NULL. An error ends the run. */
struct trainer_calls {
	void *ctx;
	int (*log)(void *ctx, json_t *line);    /* of a step, an evaluation */
	int (*checkpoint)(void *ctx, const struct trainer *t);

	/* Puts the parameters, and all state, through somebody's hands: every
	 * filter_every steps, when the adapters' last pruning is due, and
	 * after the last step. */
	int (*filter)(void *ctx, struct trainer *t);
	int (*best)(void *ctx, const struct trainer *t);
	int (*stopping)(void *ctx);             /* 1: end after this step */
	void (*progress)(void *ctx, const struct trainer *t);
};

/* What the last step showed. */
struct train_step {
	double loss, grad_norm, lr;
	size_t labels, tokens;
	double eval_loss;       /* the last evaluation's */
};

/* Seconds of a run, beside what the program counts by op. */
struct train_times {
	double run;             /* trainer_run(), all of it */
	double data;            /* making batches */
	double loss;            /* with the head's products, which the program
				 * counts too */
	double optimizer;       /* with clearing gradients, and their norm */
	double output;          /* log lines, checkpoints */
};

struct trainer {
	struct trainer_options options;
	struct trainer_calls calls;
	struct program *program;        /* borrowed, adapted */
	struct adapter_set *set;        /* borrowed, placed */
	struct pool *pool;              /* borrowed */
	struct pack data, eval;
	int has_eval;
	struct schedule schedule;
	struct train_plan plan;
	struct loss loss;
	size_t *part_start;             /* batch_part()'s */
	struct paging *paging;          /* NULL: the base is held */
	size_t *segment;                /* (set->n) of each adapter */
	void **state_at;                /* (segments) optimizer states ... */
	size_t *state_bytes;            /* ... and what they take */
	float scale;                    /* of the gradients of this step */
	struct optim optim;
	struct train_state state;
	struct train_step last;
	struct train_times time;
	uint64_t steps_run;             /* here, not before a resume */
	size_t first_sample, last_sample; /* of the step in hand */
};

/* E_USAGE: a number that makes no sense, under its option's name. */
int trainer_check(const struct trainer_options *o) MUST_CHECK;

/*
 * eval may be NULL. All pointers are borrowed and outlive the trainer. E_DATA:
 * a token or label outside the vocabulary, no labels; E_NOMEM: does not fit
 * the budget (the message says what would). Safe to free after a failure.
 */
int trainer_new(struct trainer **t, struct program *p, struct adapter_set *set,
		struct pool *pool, const struct samples *data,
		const struct samples *eval, const struct trainer_options *o,
		const struct trainer_calls *calls) MUST_CHECK;
void trainer_free(struct trainer *t);

/* Bytes that the process has beside its plan, before trainer_start():
 * libraries, stacks, what reading left in the heap. */
uint64_t trainer_beside(const struct trainer *t);

/* Takes the memory that the plan says. E_NOMEM. */
int trainer_start(struct trainer *t) MUST_CHECK;

/* Goes on from a state (the "train" meta) and its optimizer tensors, after
 * trainer_start(). E_DATA: it is not whole, or of other data. */
int trainer_restore(struct trainer *t, json_t *state,
		    const struct tensor_set *tensors) MUST_CHECK;

/* Runs to the end, to stop_after, or until it is told to stop (E_AGAIN).
 * E_DATA: the loss or the gradient is not finite; names step and sample, and
 * leaves the parameters as they were. */
int trainer_run(struct trainer *t) MUST_CHECK;

/* The mean loss over the label tokens of the evaluation data. */
int trainer_evaluate(struct trainer *t, double *loss) MUST_CHECK;

/* The state as JSON; the caller's. NULL: out of memory. */
json_t *trainer_state(const struct trainer *t);

/* Epochs done, with the part of the one in hand. */
double trainer_epoch(const struct trainer *t);

/* The optimizer's tensors. */
int trainer_tensors(const struct trainer *t, adapter_tensor_fn *fn,
		    void *ctx) MUST_CHECK;

/* Seconds of a step, from the time that one of the model's products takes
 * now. E_NOMEM. */
int trainer_estimate(struct trainer *t, double *seconds) MUST_CHECK;

/* ---- for trainer*.c ---- */

int trainer_make_plan(struct trainer *t) MUST_CHECK;

struct train_limit {
	uint64_t budget, free;
	uint64_t most;          /* budget, or else what is free and in use */
};

/* What plan.need takes, into plan.bytes. */
void trainer_cost(struct trainer *t);
uint64_t trainer_total(const struct bytes_plan *b);

/* The plan knows what each of the run's batches has, not only a bound. */
int trainer_measures(const struct trainer *t);

/* In the fewest parts of a batch, of at most and at least so many tokens, with
 * which what fits() asks about does; 0: with none. */
typedef int train_fits_fn(struct trainer *t, const struct train_limit *l);
int trainer_fits_cut(struct trainer *t, const struct train_limit *l,
		     size_t most, size_t least, train_fits_fn *fits);

/* Plans for a base that comes and goes, with parts of at least so many tokens;
 * 0: it does not fit, or all of the base is in memory. */
int trainer_fit_paged(struct trainer *t, const struct train_limit *l,
		      size_t least);

/* The loss of a part after its forward; with train, t->loss.dlast too. Adds to
 * *nll. E_DATA: it is not finite. */
int trainer_loss(struct trainer *t, const struct batch *b, struct mat last,
		 int train, double *nll) MUST_CHECK;

/* trainer_paged.c: brings the base in for good, or makes the pager; ... */
int trainer_pages(struct trainer *t) MUST_CHECK;

/* ... and with a pager, batches by layers: their loss, and with train their
 * gradients. Whoever has batches adds them, and runs them when it is full. */
int trainer_paged_run(struct trainer *t, int train, double *nll) MUST_CHECK;

/* Are parameters moved in trainer_paged_run(), layer by layer? Else, with
 * states in pages, it is time. */
int trainer_moves_together(const struct trainer *t);
int trainer_paged_move(struct trainer *t) MUST_CHECK;

/* The optimizer and its states. */
int trainer_optimizer(struct trainer *t) MUST_CHECK;

#endif
