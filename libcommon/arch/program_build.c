#include "arch/program_parts.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 32 };

/* Names of values while the steps are walked: "x" is now this one. */
struct slots {
	char name[SLOTS][FAMILY_NAME];
	size_t value[SLOTS], n;
};

struct builder {
	struct program *p;
	struct slots slots;
	const struct family_step *step;
	size_t layer;           /* SIZE_MAX: head or tail */
};

static int fault(const struct builder *b, const char *what, const char *word)
{
	return err_set(E_DATA, "family %s: line %d: %s: %s",
		       family_name(b->p->f), b->step->line, what, word);
}

static int slot_get(const struct builder *b, const char *name, size_t *value)
{
	for (size_t i = 0; i < b->slots.n; i++)
		if (!strcmp(b->slots.name[i], name)) {
			*value = b->slots.value[i];
			return 0;
		}
	return fault(b, "nothing was written to", name);
}

static int slot_set(struct builder *b, const char *name, size_t value)
{
	struct slots *s = &b->slots;
	size_t i = 0;

	while (i < s->n && strcmp(s->name[i], name))
		i++;
	if (i == SLOTS)
		return fault(b, "too many names", name);
	memcpy(s->name[i], name, FAMILY_NAME);
	s->value[i] = value;
	s->n += i == s->n;
	return 0;
}

/* What a layer wrote is nothing to the next one, but for what it leaves. */
static void slots_leave(struct builder *b, size_t layer)
{
	struct slots *s = &b->slots;

	for (size_t i = s->n; i-- > 0;) {
		size_t v = s->value[i];

		if (b->p->value[v].layer != layer || v == b->p->state[layer])
			continue;
		s->n--;
		s->value[i] = s->value[s->n];
		memmove(s->name[i], s->name[s->n], FAMILY_NAME);
	}
}

/* ---- what a step names ---- */

static int number_of(const struct builder *b, size_t i, struct op_node *n)
{
	const char *key = b->step->key[i];
	const struct family_config *c = b->p->c;

	n->number[i] = NAN;
	if (family_is_group(b->p->f, key))
		return program_angles(b->p, key, n->number[0], &n->table);
	if (isdigit((unsigned char)key[key[0] == '-'])) {
		n->number[i] = strtod(key, NULL);
		return 0;
	}
	return family_real_at(&n->number[i], c, key, b->layer);
}

static const struct family_tensor *tensor_of(const struct builder *b)
{
	size_t n;
	const struct family_tensor *t = family_tensors(b->p->f, &n);

	for (size_t i = 0; i < n; i++)
		if (!strcmp(t[i].name, b->step->tensor))
			return &t[i];
	return NULL;
}

static void module_set(struct op_module *m, const struct bound *b)
{
	*m = (struct op_module){
		b->name, b->tied, &b->weight, b->bias, NULL,
	};
}

/* A linear step with the input of the linear step above it joins its node, so
 * that both are one product. */
static struct node *joined(struct builder *b, const struct op *op,
			   const size_t *in)
{
	struct program *p = b->p;
	struct node *last = p->nnode ? &p->node[p->nnode - 1] : NULL;

	return last && op == &op_linear && last->op.op == op &&
	       last->in[0] == in[0] && last->op.layer == b->layer &&
	       last->op.nout < OP_OUT ? last : NULL;
}

static void value_add(struct builder *b, struct node *n, size_t i)
{
	struct program *p = b->p;

	n->out[i] = p->nvalue;
	p->value[p->nvalue++] = (struct value){
		n->op.out_cols[i], (size_t)(n - p->node), b->layer, 0,
		b->step->line,
	};
}

/* What a node has of its step alone. */
static int node_numbers(struct builder *b, struct node *n, const struct op *op)
{
	const struct family_step *s = b->step;

	n->op.op = op;
	n->op.nin = op->nin;
	n->op.nout = s->nout;
	n->op.layer = b->layer;
	n->op.table = SIZE_MAX;
	n->line = s->line;
	for (size_t i = 0; i < OP_NUMBERS; i++) {
		n->op.number[i] = NAN;
		if (i < s->nkey)
			TRY(number_of(b, i, &n->op));
	}
	return 0;
}

static int node_fill(struct builder *b, struct node *n, const struct op *op,
		     const size_t *in, const struct bound *w)
{
	TRY(node_numbers(b, n, op));
	for (size_t i = 0; i < op->nin; i++) {
		n->in[i] = in[i];
		n->op.in_cols[i] = b->p->value[in[i]].cols;
	}
	if (w && w->vector) {
		n->op.gain = w->vector;
		n->op.shift = w->bias;
		n->op.ngain = w->size;
		n->op.module[0].name = w->name;
	} else if (w) {
		module_set(&n->op.module[0], w);
		n->op.nout = 1;
	}
	if (op == &op_attend)
		n->op.cache = b->p->ncache++;
	return 0;
}

static int shape_of(const struct builder *b, struct node *n)
{
	const struct op *op = n->op.op;
	int err = op->shape(&n->op);

	if (err)
		return err_at(err, "family %s: line %d",
			      family_name(b->p->f), b->step->line);
	if (b->step->nout != (op == &op_linear ? 1 : n->op.nout))
		return fault(b, "another number of outputs than it has",
			     op->name);
	return 0;
}

static int is_head(const struct builder *b, const struct family_tensor *t)
{
	return t && !strcmp(t->role, "head") && b->layer == SIZE_MAX;
}

static int step_add(struct builder *b, const struct op *op, const size_t *in,
		    const struct family_tensor *t, const struct bound *w)
{
	struct program *p = b->p;
	struct node *n = is_head(b, t) ? &p->head : joined(b, op, in);

	if (n && n != &p->head) {
		module_set(&n->op.module[n->op.nout++], w);
		TRY(shape_of(b, n));
		value_add(b, n, n->op.nout - 1);
		return slot_set(b, b->step->out[0], n->out[n->op.nout - 1]);
	}
	if (!n)
		n = &p->node[p->nnode++];
	TRY(node_fill(b, n, op, in, w));
	for (size_t i = 0; i < op->nin; i++)
		p->value[in[i]].readers++;
	TRY(shape_of(b, n));
	if (n == &p->head) {
		p->last = in[0];
		return 0;
	}
	for (size_t i = 0; i < n->op.nout; i++) {
		value_add(b, n, i);
		TRY(slot_set(b, b->step->out[i], n->out[i]));
	}
	return 0;
}

/* A step on the logits: it may read what it wrote, but only the last. */
static int after_add(struct builder *b, const struct op *op)
{
	const unsigned inplace = OP_INPLACE | OP_INPLACE_GRAD;
	struct program *p = b->p;
	struct node n = { .op = { .in_cols = { p->vocab } } };
	const struct op_node *last =
		p->nafter ? &p->after[p->nafter - 1] : NULL;

	if (b->step->nin != 1 || op->nin != 1 || b->step->tensor[0] ||
	    (op->flags & inplace) != inplace)
		return fault(b, "cannot stand behind the head", op->name);
	if (p->nafter == PROGRAM_AFTER || (last && last->op->reads))
		return fault(b, "too much behind the head", op->name);
	TRY(node_numbers(b, &n, op));
	TRY(shape_of(b, &n));
	if (n.op.aux || (op->reads && op->reads(&n.op) != OP_READS_OUT))
		return fault(b, "cannot stand behind the head", op->name);
	p->after[p->nafter++] = n.op;
	return 0;
}

static int step_build(struct builder *b)
{
	const struct family_step *s = b->step;
	const struct op *op = op_find(s->op);
	const struct family_tensor *t = tensor_of(b);
	struct bound *w = NULL;
	size_t in[OP_IN];

	if (!op)
		return fault(b, "no such op", s->op);
	if (b->p->head.op.op)
		return after_add(b, op);
	if (s->nin != op->nin)
		return fault(b, "another number of inputs than it has",
			     s->op);
	for (size_t i = 0; i < s->nin; i++)
		TRY(slot_get(b, s->in[i], &in[i]));
	if (t)
		TRY(program_bind(b->p, t, b->layer == SIZE_MAX ? 0 : b->layer,
				 &w));
	if (w && !w->name) /* without its tensor the step does nothing */
		return s->nin == 1 ? slot_set(b, s->out[0], in[0])
				   : fault(b, "its tensor is absent", s->op);
	if ((op == &op_linear || op == &op_embed || op == &op_position) &&
	    (!w || w->vector))
		return fault(b, "wants a matrix", s->op);
	return step_add(b, op, in, t, w);
}

static int part_build(struct builder *b, enum family_part part, size_t layer)
{
	size_t n;
	const struct family_step *s = family_steps(b->p->f, part, &n);

	b->layer = layer;
	for (size_t i = 0; i < n; i++) {
		b->step = &s[i];
		if (family_when(b->p->c, b->step, layer))
			TRY(step_build(b));
	}
	return 0;
}

/* ---- the whole ---- */

static int check_readers(struct builder *b)
{
	struct program *p = b->p;

	for (size_t i = 0; i < p->nvalue; i++)
		if (!p->value[i].readers)
			return err_set(E_DATA, "family %s: line %d: nobody "
				       "reads what it writes",
				       family_name(p->f), p->value[i].line);
	for (size_t i = 0; i < p->nnode; i++)
		for (size_t k = 0; k < p->node[i].op.nin; k++) {
			const struct node *n = &p->node[i];

			if (!(n->op.op->flags & OP_OWNS) ||
			    p->value[n->in[k]].readers == 1)
				continue;
			return err_set(E_DATA, "family %s: line %d: %s must "
				       "be the only reader of its inputs",
				       family_name(p->f), n->line,
				       n->op.op->name);
		}
	return 0;
}

static int check_ends(const struct builder *b)
{
	const struct program *p = b->p;

	if (!p->head.op.op)
		return err_set(E_DATA, "family %s: its tail has no head",
			       family_name(p->f));
	if (p->value[p->last].cols != p->hidden ||
	    p->head.op.out_cols[0] != p->vocab)
		return err_set(E_DATA, "family %s: the head is not vocab by "
			       "hidden", family_name(p->f));
	return 0;
}

static int room(struct program *p)
{
	size_t n[FAMILY_PARTS], ntensor, steps;

	for (int i = 0; i < FAMILY_PARTS; i++)
		family_steps(p->f, (enum family_part)i, &n[i]);
	family_tensors(p->f, &ntensor);
	steps = n[0] + n[1] * p->layers + n[2];
	p->node = calloc(steps, sizeof(*p->node));
	p->value = calloc(steps * OP_OUT, sizeof(*p->value));
	p->state = calloc(p->layers, sizeof(*p->state));
	p->bound = calloc(ntensor * p->layers, sizeof(*p->bound));
	p->module = calloc(ntensor * p->layers, sizeof(*p->module));
	if (!p->node || !p->value || !p->state || !p->bound || !p->module)
		return err_set(E_NOMEM, "out of memory");
	return 0;
}

int program_build(struct program *p)
{
	struct builder b = { .p = p };

	TRY(room(p));
	TRY(part_build(&b, FAMILY_HEAD, SIZE_MAX));
	for (size_t i = 0; i < p->layers; i++) {
		TRY(part_build(&b, FAMILY_BLOCK, i));
		p->state[i] = p->nvalue - 1;
		slots_leave(&b, i);
	}
	TRY(part_build(&b, FAMILY_TAIL, SIZE_MAX));
	TRY(check_ends(&b));
	return check_readers(&b);
}
