/* A data file on standard input, with a tokenizer of bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/samples.h"
#include "formats/dataset.h"
#include "formats/text.h"
#include "tests/fuzz/replay.h"

enum { MOST = 60000 };          /* what a pipe holds, at least */

static struct tokenizer *tokenizer(void)
{
	static const char tail[] = "},\"merges\":[]},\"added_tokens\":["
		"{\"id\":300,\"content\":\"<|im_start|>\",\"special\":true},"
		"{\"id\":301,\"content\":\"<|im_end|>\",\"special\":true}]}";
	static const char config[] = "{\"eos_token\":\"<|im_end|>\","
		"\"chat_template\":\"{{ tools }}{% for m in messages %}"
		"<|im_start|>{{ m.role }}\\n{{ m.content }}{% for c in "
		"m.tool_calls %}{{ c.function | tojson }}{% endfor %}<|im_end|>"
		"{% endfor %}{% if add_generation_prompt %}<|im_start|>"
		"assistant\\n{% endif %}\"}";
	static struct tokenizer *t;
	struct text json = { 0 };
	char one[64];

	if (t)
		return t;
	if (text_add_string(&json, "{\"model\":{\"type\":\"BPE\","
			    "\"byte_fallback\":true,\"vocab\":{"))
		abort();
	for (unsigned i = 0; i < 256; i++) {
		snprintf(one, sizeof(one), "%s\"<0x%02X>\":%u", i ? "," : "",
			 i, i);
		if (text_add_string(&json, one))
			abort();
	}
	if (text_add_string(&json, tail) ||
	    tokenizer_new(&t, json.at, json.n, config, sizeof(config) - 1))
		abort();
	text_release(&json);
	return t;
}

static int take(void *ctx, const struct dataset_sample *s)
{
	size_t labels = 0;

	(void)ctx;
	for (size_t i = 1; i < s->n; i++)
		labels += s->label[i] != LABEL_NONE;
	if (!labels)
		abort();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct data_gate gate = { .most_empty = 1, .most_duplicates = 1 };
	struct dataset_options o = { .chat_template = "chatml" };
	struct dataset_stats stats = { 0 };
	int end[2];

	if (!size || size > MOST || pipe(end) ||
	    write(end[1], data + 1, size - 1) != (ssize_t)size - 1)
		return 0;
	close(end[1]);
	dup2(end[0], STDIN_FILENO);
	close(end[0]);
	if (data[0] >> 7)
		o.chat_template = NULL; /* the one that knows of tools */
	o.length = data[0] & 1 ? 8 : 0;
	o.eval_text = data[0] >> 1 & 1;
	o.train_on_prompt = data[0] >> 2 & 1;
	o.format = data[0] >> 3 & 1 ? DATASET_CSV : DATASET_ANY;
	if (data[0] >> 4 & 1)
		o.columns = "text=a,prompt=messages.x,role=r";
	if (data[0] >> 5 & 1)
		o.gate = &gate;
	gate.allowed = data[0] >> 6 & 1 ? ~0u : 0;
	if (dataset_read(NULL, tokenizer(), &o, &stats, take, NULL) &&
	    !*err_text())
		abort();
	data_gate_release(&gate);
	return 0;
}
