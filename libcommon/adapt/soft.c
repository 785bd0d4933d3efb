#include "adapt/adapt_kind.h"
#include "adapt/soft.h"

#include "base/size.h"

int soft_size(size_t *n, const struct adapter_options *o, const char *key)
{
	json_t *v = json_object_get(o->extra, key);
	json_int_t x = json_integer_value(v);

	if (!json_is_integer(v) || x < 1 || x > 1 << 24)
		return err_set(E_CONFIG, "%s: want a positive whole number",
			       key);
	*n = (size_t)x;
	return 0;
}

int soft_tokens(size_t *n, const struct adapter_options *o)
{
	if (o->cols)
		*n = o->rank; /* a stored one's rows */
	else
		TRY(soft_size(n, o, "num_virtual_tokens"));
	if (!*n || *n > VIRTUAL_ROWS)
		return err_set(E_CONFIG, "%zu virtual tokens, want 1 to %d",
			       *n, VIRTUAL_ROWS);
	return 0;
}

int soft_add(struct adapter *a, const char *name, size_t rows, size_t cols)
{
	size_t n;

	if (size_mul(&n, rows, cols) || n > SIZE_MAX / 64)
		return err_set(E_CONFIG, "%zu virtual tokens of %zu columns "
			       "do not fit any memory", rows, cols);
	a->rank = rows;
	a->scale = 1;
	adapter_param_add(a, name, rows, cols);
	return 0;
}

struct mat soft_table(const struct adapter *a, int grad)
{
	const struct adapter_param *p = &a->param[0];

	return mat_of(grad ? p->grad : p->at, p->rows, p->cols);
}

int soft_describe(const struct adapter *a, json_t *config)
{
	static const char *const first[] = { "init", "init_ids",
					     "embed_scale" };

	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
		json_object_del(config, first[i]);
	return json_object_set_new(config, "num_virtual_tokens", json_integer(
				(json_int_t)a->param[0].rows)) ?
		       err_set(E_NOMEM, "out of memory") : 0;
}

const char *soft_peft_name(const struct adapter *a, size_t i)
{
	(void)a;
	(void)i;
	return "prompt_embeddings";
}
