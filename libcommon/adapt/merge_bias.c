/* A layer's bias, as adapters leave it */
#include "adapt/merge_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/suffix.h"

#include "adapt/alone.h"

/* "<module>.bias" or "<module>.lora_B_bias": of the bias, not of the weight. */
static int is_of_bias(const struct tensor *p)
{
	const char *dot = strrchr(p->name, '.');

	return dot && (!strcmp(dot, ".bias") || !strcmp(dot, ".lora_B_bias"));
}

size_t merge_module(const char *name)
{
	size_t n = suffix_stem(name, ".weight");

	return n ? n : suffix_stem(name, ".bias");
}

int merge_is_of(const struct tensor *p, const char *name)
{
	size_t n = merge_module(name);
	const char *dot = strrchr(p->name, '.');

	return n && dot && (size_t)(dot - p->name) == n &&
	       !strncmp(p->name, name, n);
}

int merge_stands_at(const struct tensor *p, const char *name)
{
	return merge_is_of(p, name) &&
	       (suffix_stem(name, ".bias") > 0) == is_of_bias(p);
}

/* dst (n), by one adapter: its set has it alone. */
static int add(float *dst, size_t n, const struct adapter_set *s, float scale)
{
	const struct adapter *a = s->at;
	const struct adapter_param *bias = adapter_bias(a);

	if (!s->n)
		return 0;
	if (a->out != n)
		return err_set(E_DATA, "%s: the adapter is for %zu outputs, "
			       "the base's bias has %zu", a->module, a->out, n);
	for (size_t i = 0; bias && i < n; i++)
		dst[i] = scale == 1 ? bias->at[i] :
				      dst[i] + scale * (bias->at[i] - dst[i]);
	if (a->kind->merge_bias)
		a->kind->merge_bias(a, scale, dst);
	return 0;
}

static int add_one(float *dst, size_t n, struct merge_adapter *m,
		   const char *name)
{
	struct tensor_set here = { 0 };
	struct adapter_sites sites = { 0 };
	struct adapter_set set = { 0 };
	int err;

	here.at = calloc(m->tensors.n + 1, sizeof(*here.at));
	if (!here.at)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < m->tensors.n; i++) {
		m->used[i] |= (unsigned char)merge_stands_at(
					&m->tensors.at[i], name);
		if (merge_is_of(&m->tensors.at[i], name))
			here.at[here.n++] = m->tensors.at[i];
	}
	err = here.n ? adapter_set_alone(&set, &sites, m->config, &here) : 0;
	if (!err)
		err = add(dst, n, &set, m->scale);
	adapter_set_release(&set);
	adapter_sites_release(&sites);
	free(here.at); /* its tensors are m's */
	return err;
}

int merge_bias(float *dst, size_t n, struct merger *m, const char *name)
{
	for (size_t i = 0; i < m->n; i++)
		TRY(add_one(dst, n, &m->at[i], name));
	return 0;
}
