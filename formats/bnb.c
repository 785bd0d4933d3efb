#include "formats/bnb.h"

#include <string.h>

#include "base/size.h"
#include "weight/storage.h"
#include "weight/weight.h"

enum storage_kind bnb_kind(const char *name)
{
	return !strcmp(name, storage_kind_name(STORE_NF4)) ? STORE_NF4 :
	       !strcmp(name, storage_kind_name(STORE_FP4)) ? STORE_FP4 :
	       STORE_RAW;
}

/* A tensor of all codes in order, under the scale 1. */
int bnb_book(float *book, size_t *n, enum storage_kind kind)
{
	int wide = kind == STORE_DYN8, top, one;
	struct tensor t = { .dtype = DTYPE_F32, .rank = 1 };
	unsigned char code[BNB_BOOK];

	*n = t.count = t.shape[0] = wide ? 256 : 16;
	top = tensor_node(&t, kind, t.count);
	one = tensor_node(&t, STORE_CONST, 1);
	t.name = (char[]){ "book" };
	t.node[one].value = 1;
	t.node[top].scale = one;
	t.node[top].block = t.count;
	t.node[top].bits = wide ? 8 : 4;
	t.node[top].part = tensor_part(&t, wide ? DTYPE_U8 : DTYPE_U4,
				       t.count);
	for (size_t i = 0; i < t.count; i++)
		code[wide ? i : i / 2] = (unsigned char)(
			wide ? i : (i & ~(size_t)1) << 4 | i | 1);
	t.part[0].data = code;
	return weight_decode(&t, book, 0, t.count);
}

static const struct {
	const char *name;
	enum dtype dtype;
} types[] = {
	{ "float32", DTYPE_F32 }, { "float16", DTYPE_F16 },
	{ "bfloat16", DTYPE_BF16 },
};

const char *bnb_dtype_name(enum dtype d)
{
	for (size_t i = 0; i < NELEM(types); i++)
		if (types[i].dtype == d)
			return types[i].name;
	return NULL;
}

enum dtype bnb_dtype_find(const char *name)
{
	for (size_t i = 0; i < NELEM(types); i++)
		if (!strcmp(types[i].name, name))
			return types[i].dtype;
	return DTYPE_NONE;
}

int bnb_is_4bit(json_t *quantization)
{
	const char *method = json_text(quantization, "quant_method",
				       "bitsandbytes");

	return !strcmp(method, "bitsandbytes") &&
	       json_flag(quantization, "load_in_4bit", 0) &&
	       !json_flag(quantization, "load_in_8bit", 0);
}
