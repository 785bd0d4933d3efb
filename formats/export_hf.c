/* A dense base as a Hugging Face model directory */
#include "formats/export_base.h"

struct seen {
	enum dtype dtype;       /* of the first linear weight */
};

static int add(struct export_base *b, const struct tensor *t)
{
	enum dtype d = b->o->dtype ? b->o->dtype : t->dtype;
	struct seen *seen = b->own;

	if (!tensor_is_plain(t) && !b->o->dtype)
		return err_set(E_DATA, "%s: is quantised; --dtype bf16 "
			       "decodes it, --to bnb keeps NF4 and FP4",
			       t->name);
	if (!seen->dtype && t->role == ROLE_LINEAR)
		seen->dtype = d;
	return export_base_dense(b, t, d);
}

static int configure(struct export_base *b, json_t *config, int *changed)
{
	struct seen *seen = b->own;

	if (json_object_get(config, "quantization_config")) {
		json_object_del(config, "quantization_config");
		*changed = 1;
	}
	return seen->dtype ? export_base_dtype(config, seen->dtype, changed) :
			     0;
}

int export_hf(struct source *from, const char *dir,
	      const struct export_options *o)
{
	struct seen seen = { DTYPE_NONE };
	struct export_base b = { .tensor = add, .configure = configure,
				 .own = &seen };

	return export_base_run(&b, from, dir, o);
}
