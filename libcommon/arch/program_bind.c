#include "arch/program_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/suffix.h"
/* A checkpoint's names may lack the family's prefix. */
static const struct tensor *find(const struct program *p, const char *name,
				 const char *suffix)
{
	const char *prefix = family_prefix(p->f);
	char whole[TENSOR_NAME];
	const struct tensor *t;

	snprintf(whole, sizeof(whole), "%s.%s", name, suffix);
	t = tensor_set_find(p->base, whole);
	if (!t && !strncmp(whole, prefix, strlen(prefix)))
		t = tensor_set_find(p->base, whole + strlen(prefix));
	return t;
}

static int check_shape(const struct program *p, const struct family_tensor *f,
		       const struct tensor *t)
{
	size_t want[2];
	int rank = f->rows[1][0] ? 2 : 1;
	char is[128], should[128];

	TRY(family_size(&want[0], p->c, f->rows[0]));
	if (rank == 2)
		TRY(family_size(&want[1], p->c, f->rows[1]));
	if (t->rank == rank && t->shape[0] == want[0] &&
	    (rank == 1 || t->shape[1] == want[1]))
		return 0;
	return err_set(E_DATA, "%s is %s, and config.json says %s", t->name,
		       tensor_shape_text(is, t->rank, t->shape),
		       tensor_shape_text(should, rank, want));
}

static int vector_of(float **to, const struct tensor *t, size_t size)
{
	int err;

	if (t->count != size)
		return err_set(E_DATA, "%s has %zu elements, want %zu",
			       t->name, t->count, size);
	*to = malloc(size * sizeof(**to));
	if (!*to)
		return err_set(E_NOMEM, "%s: out of memory", t->name);
	err = weight_decode(t, *to, 0, size);
	return err ? err_at(err, "%s", t->name) : 0;
}

static enum tensor_role role_of(const struct family_tensor *f)
{
	return tensor_role_find(f->role);
}

/* The modules of all tensors; names are the bounds'. */
static void module_add(struct program *p, const struct family_tensor *f,
		       struct bound *b, size_t layer)
{
	p->module[p->nmodule++] = (struct program_module){
		b->name, &b->weight, role_of(f),
		strstr(f->hf, "{i}") ? layer : SIZE_MAX,
	};
}

static int bind_matrix(struct program *p, const struct family_tensor *f,
		       struct bound *b, const struct tensor *t, size_t layer)
{
	const struct tensor *bias = find(p, b->name, "bias");
	int err = weight_bind(&b->weight, t);

	if (err)
		return err_at(err, "%s", t->name);
	module_add(p, f, b, layer);
	return bias ? vector_of(&b->bias, bias, b->weight.rows) : 0;
}

/* The base's tensor, or the one that stands in for it. */
static int source_of(const struct program *p, const struct family_tensor **f,
		     const char *name, size_t layer, const struct tensor **t)
{
	size_t n;
	const struct family_tensor *all = family_tensors(p->f, &n);
	char other[FAMILY_PATH + 32];

	*t = find(p, name, "weight");
	for (size_t i = 0; !*t && i < n; i++)
		if (!strcmp(all[i].name, (*f)->tied)) {
			*f = &all[i];
			family_hf_name(other, sizeof(other), *f, layer);
			*t = find(p, other, "weight");
			if (!*t)
				name = other;
		}
	if (!*t && !(*f)->optional)
		return err_set(E_DATA, "no tensor %s.weight", name);
	return *t ? check_shape(p, *f, *t) : 0;
}

/* source: what it is tied to; or NULL. */
static int name_it(struct bound *b, const char *name,
		   const struct family_tensor *source, size_t layer)
{
	char other[FAMILY_PATH + 32];

	b->name = strdup(name);
	if (source) {
		family_hf_name(other, sizeof(other), source, layer);
		b->tied = strdup(other);
	}
	return b->name && (b->tied || !source) ? 0 :
	       err_set(E_NOMEM, "out of memory");
}

int program_bind(struct program *p, const struct family_tensor *f,
		 size_t layer, struct bound **to)
{
	size_t n;
	size_t i = (size_t)(f - family_tensors(p->f, &n));
	struct bound *b;
	const struct family_tensor *source = f;
	const struct tensor *t;
	char name[FAMILY_PATH + 32];

	if (!strstr(f->hf, "{i}"))
		layer = 0;
	*to = b = &p->bound[i * p->layers + layer];
	if (b->tried)
		return 0;
	b->tried = 1;
	family_hf_name(name, sizeof(name), f, layer);
	TRY(source_of(p, &source, name, layer, &t));
	if (!t)
		return 0;
	TRY(name_it(b, name, source == f ? NULL : source, layer));
	if (role_of(f) != ROLE_NORM)
		return bind_matrix(p, f, b, t, layer);
	b->size = t->count;
	TRY(vector_of(&b->vector, t, t->count));
	for (size_t k = 0; source->plus1 && k < b->size; k++)
		b->vector[k] += 1;
	t = find(p, name, "bias");
	return t ? vector_of(&b->bias, t, b->size) : 0;
}

/* Is the tensor read by a step? Buffers and what is no weight do not count. */
static int is_used(const struct program *p, const struct tensor *t)
{
	const struct family_tensor *f;
	const struct bound *b;
	const char *suffix;
	size_t layer, n;

	if (!suffix_is(t->name, ".weight") && !suffix_is(t->name, ".bias"))
		return 1;
	f = family_match_hf(p->f, t->name, &layer, &suffix);
	if (!f || (layer != SIZE_MAX && layer >= p->layers))
		return 0;
	b = &p->bound[(size_t)(f - family_tensors(p->f, &n)) * p->layers +
		      (layer == SIZE_MAX ? 0 : layer)];
	return b->tried && (strcmp(suffix, "bias") || b->bias);
}

int program_check_used(const struct program *p)
{
	for (size_t i = 0; i < p->base->n; i++)
		if (!is_used(p, &p->base->at[i]))
			return err_set(E_DATA, "%s: no step of family %s "
				       "reads it", p->base->at[i].name,
				       family_name(p->f));
	return 0;
}

void program_compute(struct program *p, int bf16)
{
	size_t n;

	family_tensors(p->f, &n);
	for (size_t i = 0; i < n * p->layers; i++)
		p->bound[i].weight.compute = bf16 ? GEMM_BF16 : GEMM_F32;
}

/* A norm is no module of the program's, but its node has its name. What no node
 * has stands before the text, and its gradients are complete at the bottom. */
static size_t node_segment(const struct program *p, const char *module)
{
	for (size_t i = 0; i < p->nnode; i++) {
		const char *name = p->node[i].op.module[0].name;

		if (name && !strcmp(name, module))
			return program_segment_of(p, &p->node[i]);
	}
	return 0;
}

size_t program_module_segment(const struct program *p, const char *module)
{
	const struct program_module *m = p->module;

	while (m < p->module + p->nmodule && strcmp(m->name, module))
		m++;
	if (m == p->module + p->nmodule)
		return node_segment(p, module);
	if (m->layer != SIZE_MAX)
		return m->layer + 1;
	return m->role == ROLE_EMBED ? 0 : program_segments(p) - 1;
}

void program_unbind(struct program *p)
{
	size_t n = 0;

	if (!p->bound)
		return;
	family_tensors(p->f, &n);
	for (size_t i = 0; i < n * p->layers; i++) {
		free(p->bound[i].name);
		free(p->bound[i].tied);
		free(p->bound[i].vector);
		free(p->bound[i].bias);
	}
	free(p->bound);
	free(p->module);
}
