/* program_parts - what a program is made of; for program*.c only */
#ifndef ARCH_PROGRAM_PARTS_H
#define ARCH_PROGRAM_PARTS_H

#include "arch/program.h"
#include "base/arena.h"
#include "op/op.h"

enum { PROGRAM_TABLES = 8, PROGRAM_AFTER = 4, NONE = -1 };

/* A tensor of the family in one layer, found in the base. */
struct bound {
	int tried;
	char *name;             /* "model.norm"; NULL: absent, rightly */
	char *tied;             /* the name whose tensor it uses; or NULL */
	struct weight weight;   /* a matrix */
	float *vector;          /* a norm's gain */
	float *bias;
	size_t size;            /* of the vector */
};

/* What a step makes: written once, read by steps below it. */
struct value {
	size_t cols, producer, layer;
	size_t readers;
	int line;
};

struct node {
	struct op_node op;
	size_t in[OP_IN], out[OP_OUT];  /* values */
	int line;
};

/* The angles of a group of rope numbers. */
struct angles {
	char group[FAMILY_NAME];
	float *freq;            /* (half) */
	size_t half;
	float scale;
	size_t longest;         /* sequence that they are for */
};

/* ---- the plan: program_plan.c, program_walk.c, program_place.c ---- */

/* A matrix of the plan with one life, from call first to call last. */
struct piece {
	size_t cols;
	size_t first, last;
	int same;               /* whose memory it is; NONE: its own */
	int outside;            /* the caller's memory ... */
	float *at;              /* ... of what is carried; else dlast's */
	size_t offset;
};

enum turn { TURN_FORWARD, TURN_AGAIN, TURN_BACKWARD };

/* Pieces by index, NONE for none. */
struct step_call {
	size_t node;
	enum turn turn;
	int in[OP_IN], out[OP_OUT], din[OP_IN], dout[OP_OUT], aux;
	int add[OP_IN];
};

/* Calls of a visit, forward and (after the loss) backward. */
struct visit {
	size_t segment, first, turn, last;
	size_t carry, ncarry;
};

struct plan {
	struct program_need need;
	struct step_call *call;
	size_t ncall, nforward;
	struct piece *piece;
	size_t npiece;
	int last, dlast;        /* pieces: the hidden states, their gradient */
	int *state;             /* (layers), with keep_states */
	struct visit *visit;    /* (nvisit), with need.visits */
	size_t nvisit;
	struct program_carry *carry;
	size_t ncarry;
	size_t *slot_cols;      /* (nslot) */
	size_t nslot;
	size_t activations;     /* bytes of all pieces */
	size_t space, scratch, tables, ints, past; /* bytes of work space */
};

/* The program's own memory as planned for need. E_NOMEM. */
int plan_new(struct plan **plan, const struct program *p,
	     const struct pool *pool, const struct program_need *need)
	MUST_CHECK;
void plan_free(struct plan *plan);

/* Fills in calls and pieces. E_NOMEM. */
int plan_walk(struct plan *plan, const struct program *p) MUST_CHECK;

/* With need.visits: pieces live in one visit only, and are carried to the
 * others. E_NOMEM. */
int plan_visits(struct plan *plan, const struct program *p) MUST_CHECK;

/* Sets the offsets; *bytes: what all take. 1: too large for the machine. */
int plan_place(struct plan *plan, const struct program *p, size_t *bytes);

/* ---- the program ---- */

struct program {
	const struct family *f;
	const struct family_config *c;
	const struct tensor_set *base;
	struct family *own_family;
	struct family_config *own_config;
	size_t layers, hidden, vocab;

	struct bound *bound;            /* (tensors, layers) */
	struct program_module *module;
	size_t nmodule;
	struct angles angles[PROGRAM_TABLES];
	size_t nangles;

	struct node *node;              /* all but the head */
	size_t nnode;
	struct value *value;
	size_t nvalue;
	size_t last;                    /* the value that the head reads */
	struct node head;
	struct op_node after[PROGRAM_AFTER]; /* on the logits, in place */
	size_t nafter;
	size_t *state;                  /* (layers) what each block leaves */
	size_t ncache;                  /* attends */
	int keep_states;
	const struct adapter **prompt;  /* (nprompt) */
	size_t nprompt;

	struct pool *pool;
	struct plan *plan;
	struct arena arena;
	unsigned char *pieces;
	float *head_aux;
	float *head_out;                /* (need.rows, vocab): see keeps_out */
	struct op_run run;
	struct op_rope_table table[PROGRAM_TABLES];
	uint32_t *pos;
	float *dlast;                   /* of the backward at hand */
	int (*use)(void *ctx, size_t segment); /* program_page()'s, or NULL */
	void *use_ctx;
	int failed;
	struct program_time *time;
	size_t ntime;
};

/* program_bind.c: finds tensors, checks shapes. */
int program_bind(struct program *p, const struct family_tensor *t,
		 size_t layer, struct bound **to) MUST_CHECK;
/* E_DATA: the base has a weight that the model would not read. */
int program_check_used(const struct program *p) MUST_CHECK;
void program_unbind(struct program *p);

/* Does backward read the logits as forward left them? */
int program_keeps_out(const struct program *p, const struct program_need *n);

/* program_build.c: steps to nodes. */
int program_build(struct program *p) MUST_CHECK;

/* program_angles.c: E_DATA for a scaling that is not known. */
int program_angles(struct program *p, const char *group, double head_dim,
		   size_t *at) MUST_CHECK;
/* cos and sin of every group for so many positions. */
size_t angles_bytes(const struct program *p, size_t positions);
void angles_fill(const struct program *p, struct op_rope_table *table,
		 float *at, size_t positions);

/* program_run.c: calls [first, last) of the plan on so many rows. */
void program_run_begin(struct program *p, const struct program_pass *pass);
void program_run_calls(struct program *p, size_t first, size_t last,
		       size_t rows);
struct mat program_mat(const struct program *p, int piece, size_t rows);

/* program_visit.c: brings in what the call's segment reads; 1: it failed, now
 * or before. */
size_t program_segment_of(const struct program *p, const struct node *n);
int program_use(struct program *p, size_t segment);

/* program_kv.c */
struct op_rope_table *kv_tables(struct kv_cache *kv);
void kv_begin(struct kv_cache *kv, const struct program_pass *pass,
	      uint32_t *pos);
void kv_end(struct kv_cache *kv, const struct program_pass *pass);
op_cache_fn kv_append;

#endif
