#include "formats/export_adalora.h"

#include <stdio.h>
#include <string.h>

/* The values of a plain f32 tensor of the module; NULL: it has none. */
static float *values(struct tensor_set *set, const char *module,
		     const char *param, struct tensor **t)
{
	char name[TENSOR_NAME + 16];

	snprintf(name, sizeof(name), "%s%s", module, param);
	*t = tensor_set_find(set, name);
	return *t && (*t)->dtype == DTYPE_F32 && tensor_is_plain(*t) ?
		       (*t)->part[0].data : NULL;
}

static void resize(struct tensor *t, size_t rows, size_t cols)
{
	t->shape[0] = rows;
	t->shape[1] = cols;
	t->count = t->node[0].count = t->part[0].count = rows * cols;
	t->part[0].bytes = t->count * sizeof(float);
}

/* Moves the rows (or columns) that are kept to the front. */
static void cut_rows(struct tensor *t, float *x, const json_t *kept, size_t n)
{
	size_t cols = t->shape[1], to = 0;

	for (size_t i = 0; i < t->shape[0]; i++)
		if (json_is_true(json_array_get(kept, i)))
			memmove(x + to++ * cols, x + i * cols,
				cols * sizeof(*x));
	resize(t, n, cols);
}

static void cut_cols(struct tensor *t, float *x, const json_t *kept, size_t n)
{
	size_t cols = t->shape[1], to = 0;

	for (size_t i = 0; i < t->count; i++)
		if (json_is_true(json_array_get(kept, i % cols)))
			x[to++] = x[i];
	resize(t, t->shape[0], n);
}

/* Cuts a module's tensors; *n: the ranks that are left. */
static int cut(struct tensor_set *set, const char *module, json_t *kept,
	       int whole, size_t *n)
{
	struct tensor *a, *b, *e;
	float *xa = values(set, module, ".lora_A", &a);
	float *xb = values(set, module, ".lora_B", &b);
	float *xe = values(set, module, ".lora_E", &e);
	size_t rank = xe ? e->shape[0] : 0;

	if (!xa || !xb || !xe || a->shape[0] != rank || b->shape[1] != rank)
		return err_set(E_DATA, "%s: lora_A, lora_B and lora_E do not "
			       "go together", module);
	*n = 0;
	for (size_t i = 0; i < rank; i++) {
		int keep = whole || xe[i] != 0;

		if (json_array_append_new(kept, json_boolean(keep)))
			return err_set(E_NOMEM, "out of memory");
		*n += (size_t)keep;
	}
	cut_rows(a, xa, kept, *n);
	cut_cols(b, xb, kept, *n);
	cut_rows(e, xe, kept, *n);
	return 0;
}

static int is_e(const struct tensor *t)
{
	size_t n = strlen(t->name);

	return n > 7 && !strcmp(t->name + n - 7, ".lora_E");
}

static int is_new(const struct tensor_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		const float *x = set->at[i].part[0].data;

		for (size_t k = 0; is_e(&set->at[i]) && k < set->at[i].count;
		     k++)
			if (x[k] != 0)
				return 0;
	}
	return 1;
}

int export_adalora(struct tensor_set *set, json_t *adapter)
{
	json_t *pattern = json_object(), *modules = json_array();
	int whole = is_new(set);

	if (json_object_set_new(adapter, "rank_pattern", pattern) ||
	    json_object_set_new(adapter, "target_modules", modules))
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < set->n; i++) {
		char module[TENSOR_NAME];
		json_t *kept;
		size_t n = 0;

		if (!is_e(&set->at[i]))
			continue;
		kept = json_array();
		snprintf(module, sizeof(module), "%.*s",
			 (int)strlen(set->at[i].name) - 7, set->at[i].name);
		if (json_object_set_new(pattern, set->at[i].name, kept))
			return err_set(E_NOMEM, "out of memory");
		TRY(cut(set, module, kept, whole, &n));
		if (n)
			json_array_append_new(modules, json_string(module));
		else
			json_object_del(pattern, set->at[i].name);
	}
	return 0;
}
