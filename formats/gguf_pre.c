#include "formats/gguf_pre.h"

#include <string.h>

#include "base/size.h"

#define CASES "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define WORDS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|"
#define REST "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define O200K "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" CASES "?" \
	"|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*" CASES "?" \
	"|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+" \
	"|\\s+(?!\\S)|\\s+"

/* Of rows that cut alike, the first is the one that is written. */
static const struct gguf_pre pre[] = {
	{ "gpt-2" },
	{ "gpt2" },
	{ "phi-2" },
	{ "smollm", 1 },
	{ "starcoder", 1 },
	{ "refact", 1 },
	{ "command-r", 1 },
	{ "llama-bpe", 0, 0, 1, 1, { CASES WORDS "\\p{N}{1,3}" REST } },
	{ "llama3", 0, 0, 1, 1, { CASES WORDS "\\p{N}{1,3}" REST } },
	{ "llama-v3", 0, 0, 1, 1, { CASES WORDS "\\p{N}{1,3}" REST } },
	{ "falcon3", 0, 0, 1, 1, { CASES WORDS "\\p{N}{1,3}" REST } },
	{ "qwen2", 0, 1, 0, 0, { CASES WORDS "\\p{N}" REST } },
	{ "deepseek-r1-qwen", 0, 1, 0, 0, { CASES WORDS "\\p{N}" REST } },
	{ "stablelm2", 0, 0, 0, 0, { CASES WORDS "\\p{N}" REST } },
	{ "gpt-4o", 0, 0, 0, 0, { O200K } },
	{ "deepseek-coder", 1, 0, 0, 0, { "[\r\n]", "\\s?\\p{L}+",
	  "\\s?\\p{P}+",
	  "[\\u4e00-\\u9fa5\\u0800-\\u4e00\\uac00-\\ud7ff]+" } },
};

const struct gguf_pre *gguf_pre_named(const char *name)
{
	for (size_t i = 0; i < NELEM(pre); i++)
		if (!strcmp(name, pre[i].name))
			return &pre[i];
	return NULL;
}

json_t *gguf_byte_level(int regex, int prefix)
{
	return json_pack("{ss sb sb sb}", "type", "ByteLevel",
			 "add_prefix_space", prefix, "trim_offsets", 1,
			 "use_regex", regex);
}

static json_t *split(const char *regex)
{
	return json_pack("{ss s{ss} ss sb}", "type", "Split", "pattern",
			 "Regex", regex, "behavior", "Isolated", "invert", 0);
}

json_t *gguf_pre_tokenizer(const struct gguf_pre *p)
{
	json_t *steps;
	int own, bad = 0;

	own = !p->regex[0];
	if (own && !p->digits)
		return gguf_byte_level(1, 0);
	steps = json_array();
	for (size_t i = 0; i < NELEM(p->regex) && p->regex[i]; i++)
		bad |= json_array_append_new(steps, split(p->regex[i]));
	if (p->digits)
		bad |= json_array_append_new(steps, json_pack(
			"{ss sb}", "type", "Digits", "individual_digits", 1));
	bad |= json_array_append_new(steps, gguf_byte_level(own, 0));
	if (bad) {
		json_decref(steps);
		return NULL;
	}
	return json_pack("{ss so}", "type", "Sequence", "pretokenizers",
			 steps);
}


/* ---- which row is it? ---- */

/* What a step does, without what does not change ids. */
static json_t *plain(json_t *step)
{
	const char *type = json_text(step, "type", "");
	json_t *copy;

	if (!strcmp(type, "ByteLevel"))
		return gguf_byte_level(json_flag(step, "use_regex", 1),
				       json_flag(step, "add_prefix_space", 1));
	copy = json_deep_copy(step);
	/* What is left out between matches that leave nothing out. */
	if (copy && !strcmp(type, "Split") && json_flag(step, "invert", 0) &&
	    !strcmp(json_text(step, "behavior", ""), "Removed")) {
		json_object_set_new(copy, "behavior", json_string("Isolated"));
		json_object_set_new(copy, "invert", json_false());
	}
	return copy;
}

/* Appends the steps of a pre-tokenizer, sequences flattened. 1: no memory, or
 * too deep. */
static int flatten(json_t *list, json_t *step, int depth)
{
	json_t *inner = json_object_get(step, "pretokenizers"), *v;
	int bad = depth > 8;
	size_t i;

	if (!json_is_array(inner))
		return bad || json_array_append_new(list, plain(step));
	json_array_foreach(inner, i, v)
		bad = bad || flatten(list, v, depth + 1);
	return bad;
}

static int cuts_alike(const struct gguf_pre *p, json_t *steps)
{
	json_t *own = gguf_pre_tokenizer(p), *list = json_array();
	int yes = own && list && !flatten(list, own, 0) &&
		  json_equal(list, steps);

	json_decref(own);
	json_decref(list);
	return yes;
}

const struct gguf_pre *gguf_pre_find(json_t *step, int nfc, int whole_first)
{
	const struct gguf_pre *found = NULL;
	json_t *steps = json_array();

	if (!steps || flatten(steps, step, 0)) {
		json_decref(steps);
		return NULL;
	}
	/* A normalizer is not llama.cpp's to say: it is the last to count. */
	for (int strict = 1; strict >= 0 && !found; strict--)
		for (size_t i = 0; i < NELEM(pre) && !found; i++)
			if (pre[i].ignore_merges == whole_first &&
			    (!strict || pre[i].nfc == nfc) &&
			    cuts_alike(&pre[i], steps))
				found = &pre[i];
	json_decref(steps);
	return found;
}
