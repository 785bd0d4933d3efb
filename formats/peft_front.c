#include "formats/peft_front.h"

#include <math.h>
#include <string.h>

#include "base/size.h"

static const char *const harmless[] = {
	"auto_mapping", "base_model_name_or_path", "encoder_dropout",
	"encoder_hidden_size", "encoder_num_layers",
	"encoder_reparameterization_type", "inference_mode", "init_weights",
	"num_attention_heads", "num_layers", "num_transformer_submodules",
	"num_virtual_tokens", "peft_type", "peft_version", "prefix_projection",
	"prompt_tuning_init", "prompt_tuning_init_text", "revision",
	"task_type", "token_dim", "tokenizer_kwargs", "tokenizer_name_or_path",
};

static const char *const sizes[] = {
	"num_virtual_tokens", "num_layers", "num_attention_heads", "token_dim",
};

static int is_harmless(const char *key)
{
	for (size_t i = 0; i < NELEM(harmless); i++)
		if (!strcmp(key, harmless[i]))
			return 1;
	return 0;
}

static int is_size(json_t *v)
{
	return json_is_integer(v) && json_integer_value(v) > 0 &&
	       json_integer_value(v) <= 1 << 24;
}

int peft_front_check(json_t *peft)
{
	const char *key;
	json_t *v;

	json_object_foreach(peft, key, v)
		if (!is_harmless(key) && !json_is_null(v) && !json_is_false(v))
			return err_set(E_DATA, "%s: is not known here, and "
				       "may change what the adapter computes",
				       key);
	for (size_t i = 0; i < NELEM(sizes); i++) {
		v = json_object_get(peft, sizes[i]);
		if (v && !json_is_null(v) && !is_size(v))
			return err_set(E_DATA, "%s: is no positive number",
				       sizes[i]);
	}
	if (json_number(peft, "num_transformer_submodules", 1) > 1)
		return err_set(E_DATA, "num_transformer_submodules: a prompt "
			       "for encoder and decoder; this is for decoders "
			       "alone");
	return 0;
}

static size_t size_of(json_t *peft, const char *key, size_t none)
{
	json_t *v = json_object_get(peft, key);

	return json_is_integer(v) ? (size_t)json_integer_value(v) : none;
}

static int check_shape(json_t *peft, const struct peft_kind *kind, size_t rows,
		       size_t cols)
{
	size_t n = size_of(peft, "num_virtual_tokens", rows);
	size_t layers = size_of(peft, "num_layers", 0);
	size_t dim = size_of(peft, "token_dim", cols);

	if (n != rows)
		return err_set(E_DATA, PEFT_FRONT ": %zu rows, and "
			       "num_virtual_tokens is %zu", rows, n);
	if (strcmp(kind->type, "PREFIX_TUNING"))
		return dim == cols ? 0 :
		       err_set(E_DATA, PEFT_FRONT ": %zu columns, and "
			       "token_dim is %zu", cols, dim);
	if (!layers || !size_of(peft, "token_dim", 0))
		return err_set(E_DATA, "num_layers, token_dim: a prefix does "
			       "not say which model it is for");
	return 2 * layers * dim == cols ? 0 :
	       err_set(E_DATA, PEFT_FRONT ": %zu columns, want 2 x %zu layers "
		       "of %zu", cols, layers, dim);
}

int peft_front_read(json_t *meta, json_t *peft, size_t rows, size_t cols)
{
	const struct peft_kind *kind = peft_kind_of(peft);
	json_t *base = json_object_get(peft, "base_model_name_or_path");
	json_t *o;

	TRY(check_shape(peft, kind, rows, cols));
	o = json_pack("{ss sI so}", "kind", kind->name, "num_virtual_tokens",
		      (json_int_t)rows, "base_model_name_or_path",
		      json_is_string(base) ? json_incref(base) : json_null());
	if (json_object_set_new(meta, "adapter", o))
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < NELEM(sizes); i++) {
		json_t *v = json_object_get(peft, sizes[i]);

		if (json_is_integer(v) && json_object_set(o, sizes[i], v))
			return err_set(E_NOMEM, "out of memory");
	}
	return 0;
}

int peft_front_write(json_t **peft, const struct peft_kind *kind,
		     json_t *adapter, json_t *base)
{
	int bad;

	*peft = json_pack("{sn so sb sn sI sn ss ss}", "auto_mapping",
			  "base_model_name_or_path", base, "inference_mode", 1,
			  "modules_to_save", "num_transformer_submodules",
			  (json_int_t)1, "revision", "peft_type", kind->type,
			  "task_type", "CAUSAL_LM");
	if (!*peft)
		return err_set(E_NOMEM, "out of memory");
	bad = !strcmp(kind->type, "PREFIX_TUNING") ?
	      json_object_set_new(*peft, "prefix_projection", json_false()) :
	      json_object_set_new(*peft, "prompt_tuning_init",
				  json_string("RANDOM"));
	for (size_t i = 0; i < NELEM(sizes); i++) {
		json_t *v = json_object_get(adapter, sizes[i]);

		bad |= json_object_set_new(*peft, sizes[i],
					   v ? json_incref(v) : json_null());
	}
	return bad ? err_set(E_NOMEM, "out of memory") : 0;
}
