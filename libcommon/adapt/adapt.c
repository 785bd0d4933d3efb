#include "adapt/adapt_kind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"

static const struct adapter_kind *const kinds[] = {
	&adapt_lora,
	&adapt_dora,
	&adapt_adalora,
	&adapt_full,
	&adapt_tokens,
	&adapt_embed,
	&adapt_qalora,
	&adapt_iec,
	&adapt_prompt,
	&adapt_prefix,
	&adapt_lora_bias,
	&adapt_bias,
};

const struct adapter_kind *adapter_kind_at(size_t i)
{
	return i < NELEM(kinds) ? kinds[i] : NULL;
}

const struct adapter_kind *adapter_kind_find(const char *name)
{
	for (size_t i = 0; i < NELEM(kinds); i++)
		if (!strcmp(kinds[i]->name, name))
			return kinds[i];
	return NULL;
}

const struct adapter_kind *adapter_kind_for(const char *name,
					    enum tensor_role role)
{
	const struct adapter_kind *k = adapter_kind_find(name);

	return k && role == ROLE_EMBED && k->at_embed ? k->at_embed : k;
}

void adapter_param_add(struct adapter *a, const char *name, size_t rows,
		       size_t cols)
{
	a->param[a->nparam++] = (struct adapter_param){
		.name = name, .rows = rows, .cols = cols, .lr_ratio = 1,
	};
}

const char *adapter_param_name(char *buf, const struct adapter *a, size_t i)
{
	snprintf(buf, TENSOR_NAME, "%s.%s", a->module, a->param[i].name);
	return buf;
}

static void release(struct adapter *a)
{
	if (a->kind && a->kind->release)
		a->kind->release(a);
	free(a->module);
}

static int shape(struct adapter *a, const struct adapter_options *o)
{
	int err;

	a->kind = adapter_kind_for(o->kind, a->role);
	if (!a->kind)
		return err_set(E_CONFIG, "no adapter kind \"%s\"", o->kind);
	if (!a->module)
		return err_set(E_NOMEM, "out of memory");
	if (strlen(a->module) + 32 > TENSOR_NAME)
		return err_set(E_DATA, "the module's name is too long");
	err = a->kind->shape(a, o);
	if (!err && o->bias)
		adapter_bias_add(a);
	return err ? err_at(err, "%s", a->module) : 0;
}

int adapter_set_add(struct adapter_set *s, const struct adapter_site *site,
		    const struct adapter_options *o)
{
	struct adapter a = { .out = site->out, .in = site->in,
			     .role = site->role, .group = site->group,
			     .module = strdup(site->module) };
	size_t room = s->room ? 2 * s->room : 64;
	struct adapter *at = s->at;
	int err = shape(&a, o);

	if (!err && s->n == s->room) {
		at = realloc(s->at, room * sizeof(*at));
		if (!at)
			err = err_set(E_NOMEM, "out of memory");
		else
			s->room = room;
	}
	if (err) {
		release(&a);
		return err;
	}
	s->at = at;
	s->at[s->n++] = a;
	return 0;
}

struct adapter *adapter_set_find(const struct adapter_set *s,
				 const char *module)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->at[i].module, module))
			return &s->at[i];
	return NULL;
}

const struct adapter *adapter_set_front(const struct adapter_set *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->at[i].kind->front)
			return &s->at[i];
	return NULL;
}

static size_t param_bytes(const struct adapter_param *p)
{
	return p->rows * p->cols * sizeof(float);
}

size_t adapter_set_bytes(const struct adapter_set *s, int trained)
{
	size_t total = 0;

	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < s->at[i].nparam; k++)
			if (!trained || !s->at[i].param[k].state)
				arena_plan(&total,
					   param_bytes(&s->at[i].param[k]));
	return total;
}

int adapter_set_place(struct adapter_set *s, int train)
{
	TRY(arena_init(&s->params, adapter_set_bytes(s, 0)));
	if (train)
		TRY(arena_init(&s->grads, adapter_set_bytes(s, 1)));
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < s->at[i].nparam; k++) {
			struct adapter_param *p = &s->at[i].param[k];
			size_t bytes = param_bytes(p);

			p->at = arena_get(&s->params, bytes);
			if (train && !p->state)
				p->grad = arena_get(&s->grads, bytes);
			p->dense = (struct gemm_dense){ p->at, p->rows,
							p->cols, p->cols };
		}
	return 0;
}

void adapter_set_clear(struct adapter_set *s)
{
	if (s->grads.size)
		memset(s->grads.base, 0, s->grads.size);
}

void adapter_set_gathered(const struct adapter_set *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->at[i].kind->gathered)
			s->at[i].kind->gathered(&s->at[i]);
}

int adapter_set_ratio(struct adapter_set *s, double ratio)
{
	size_t found = 0;

	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < s->at[i].nparam; k++)
			if (s->at[i].param[k].plus) {
				s->at[i].param[k].lr_ratio = (float)ratio;
				found++;
			}
	if (found || !(ratio < 1 || ratio > 1))
		return 0;
	return err_set(E_CONFIG, "LoRA+: what is trained has no B, which would "
		       "learn faster; give a higher rate to all (--lr)");
}

/* ---- what is done to all of them ---- */

struct penalties {
	struct adapter_set *set;
	double weight, *value;
	int *err;               /* an adapter's */
};

static void penalty(void *ctx, size_t task, size_t lane)
{
	const struct penalties *p = ctx;
	struct adapter *a = &p->set->at[task];

	(void)lane;
	if (a->kind->penalty)
		p->err[task] = a->kind->penalty(a, p->weight,
						&p->value[task]);
}

int adapter_set_penalty(struct adapter_set *s, struct pool *pool,
			double weight, double *value)
{
	struct penalties p = { .set = s };
	size_t n = 0;
	int err = 0;

	*value = 0;
	for (size_t i = 0; i < s->n; i++)
		n += s->at[i].kind->penalty != NULL;
	if (!n)
		return 0;
	p.weight = weight / (double)n;
	p.value = calloc(s->n, sizeof(*p.value));
	p.err = calloc(s->n, sizeof(*p.err));
	if (p.value && p.err)
		pool_run(pool, s->n, penalty, &p);
	else
		err = err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; !err && i < s->n; i++) {
		err = p.err[i];
		*value += p.value[i] / (double)n;
	}
	free(p.value);
	free(p.err);
	return err;
}

static int has_kind(const struct adapter_set *s, const struct adapter_kind *k)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->at[i].kind == k)
			return 1;
	return 0;
}

int adapter_set_check(const struct adapter_set *s, uint64_t steps)
{
	for (size_t k = 0; k < NELEM(kinds); k++)
		if (kinds[k]->check && has_kind(s, kinds[k]))
			TRY(kinds[k]->check(s, steps));
	return 0;
}

int adapter_set_settle(struct adapter_set *s, struct adapt_step *at)
{
	for (size_t k = 0; k < NELEM(kinds); k++)
		if (kinds[k]->settle && has_kind(s, kinds[k]))
			TRY(kinds[k]->settle(s, at));
	return 0;
}

/* The head's rows are labelled positions, and not a sequence's. */
int adapter_set_by_sequence(const struct adapter_set *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (!s->at[i].kind->by_sequence || s->at[i].role == ROLE_HEAD)
			return 0;
	return 1;
}

size_t adapter_sequences(const struct adapt_pass *p, size_t rows,
			 size_t whole[2], const size_t **start)
{
	whole[0] = 0;
	whole[1] = rows;
	*start = p->batch ? p->batch->start : whole;
	return p->batch ? p->batch->nseq : 1;
}

void adapter_gradient(const struct adapt_pass *p, float *g, size_t stride,
		      struct mat a, struct mat b)
{
	const size_t *start;
	size_t whole[2], n = adapter_sequences(p, a.rows, whole, &start);

	gemm_tn(p->pool, g, stride, a.at, a.stride, a.cols, b.at, b.stride,
		b.cols, start, n);
}

/* A plain f32 tensor over p's memory; only its name is its own. */
static int view(struct tensor *t, const struct adapter *a, size_t k)
{
	const struct adapter_param *p = &a->param[k];
	size_t dims[2] = { p->rows, p->cols };
	char name[TENSOR_NAME];

	TRY(tensor_init(t, adapter_param_name(name, a, k),
			p->state ? ROLE_STATE : ROLE_ADAPTER, DTYPE_F32, 2,
			dims));
	t->part[0].data = p->at;
	return 0;
}

int adapter_set_tensors(const struct adapter_set *s, int state,
			adapter_tensor_fn *fn, void *ctx)
{
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < s->at[i].nparam; k++) {
			struct tensor t;
			int err;

			if (s->at[i].param[k].state && !state)
				continue;
			TRY(view(&t, &s->at[i], k));
			err = fn(ctx, &t);
			t.part[0].data = NULL; /* the set's */
			tensor_release(&t);
			TRY(err);
		}
	return 0;
}

static int load(struct adapter *a, size_t k, const struct tensor_set *from)
{
	struct adapter_param *p = &a->param[k];
	char name[TENSOR_NAME], have[128], want[128];
	size_t dims[2] = { p->rows, p->cols };
	const struct tensor *t;

	t = tensor_set_find(from, adapter_param_name(name, a, k));
	if (!t && p->state) {
		memset(p->at, 0, param_bytes(p));
		return 0;
	}
	if (!t)
		return err_set(E_DATA, "the adapter has no %s", name);
	if (tensor_rows(t) != p->rows || tensor_cols(t) != p->cols)
		return err_set(E_DATA, "%s is %s, want %s", name,
			       tensor_shape_text(have, t->rank, t->shape),
			       tensor_shape_text(want, 2, dims));
	if (!tensor_is_plain(t) ||
	    dtype_to_f32(p->at, t->dtype, t->part[0].data, t->count))
		return err_set(E_DATA, "%s: its values are no plain floats",
			       name);
	return 0;
}

int adapter_load(struct adapter *a, const struct tensor_set *from)
{
	for (size_t k = 0; k < a->nparam; k++)
		TRY(load(a, k, from));
	return 0;
}

int adapter_set_load(struct adapter_set *s, const struct tensor_set *from)
{
	for (size_t i = 0; i < s->n; i++)
		TRY(adapter_load(&s->at[i], from));
	return 0;
}

void adapter_set_release(struct adapter_set *s)
{
	for (size_t i = 0; i < s->n; i++)
		release(&s->at[i]);
	free(s->at);
	json_decref(s->config);
	arena_release(&s->params);
	arena_release(&s->grads);
	memset(s, 0, sizeof(*s));
}
