/* st-ls - what is in a tensor stream */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/opt.h"
#include "base/safe.h"
#include "base/sig.h"
#include "formats/st_list.h"

static int as_json;

static struct opt own[] = {
	{ "json", 0, OPT_FLAG, &as_json, NULL,
	  "one JSON array, an object a stream" },
	{ 0 }
};

static const struct opt_program program = {
	.name = "st-ls",
	.brief = "what is in a tensor stream",
	.usage = "[option ...] [input ...]",
	.about =
	"Lists the streams of the inputs, joined as cat joins them: a line "
	"with kind and content digest, then the metas, a line for each tensor "
	"(role, how it is stored, shape, stored bytes, name), the samples of a "
	"data stream, and the provenance: which programs made it, from what, "
	"with which options.\n\n"
	"All that programs read can be listed: streams, Hugging Face and PEFT "
	"directories, .safetensors, .gguf. The bytes of tensors are skipped: "
	"st-check reads and verifies them. What cannot be read to its end is "
	"listed up to there, and the exit status is 65.",
	.examples = "st-ls base.st\n"
		    "st-ls --json adapter.st | jq '.[].provenance'\n"
		    "quantize-nf4 < base.st | st-ls",
	.see = "st(5), st-check(1), st-diff(1)",
	.own = own,
};

static void print_name(const char *text)
{
	safe_print(stdout, text, strlen(text), "");
}

static void print_bytes(json_int_t n)
{
	static const char unit[] = "BKMGT";
	double x = (double)n;
	int u = 0;

	while (x >= 1024 && unit[u + 1]) {
		x /= 1024;
		u++;
	}
	printf(u && x < 100 ? "%8.1f%c" : "%8.0f%c", x, unit[u]);
}

static void print_tensor(json_t *t)
{
	char text[160] = "";
	size_t i, n = 0;
	json_t *v;

	json_array_foreach(json_object_get(t, "shape"), i, v)
		if (n < sizeof(text))
			n += (size_t)snprintf(text + n, sizeof(text) - n,
					      "%s%lld", i ? "x" : "",
					      (long long)json_integer_value(v));
	printf("%-8s %-18s %14s ", json_text(t, "role", ""),
	       json_text(t, "storage", ""), i ? text : "scalar");
	print_bytes(json_integer_value(json_object_get(t, "bytes")));
	printf("  ");
	print_name(json_text(t, "name", ""));
	putchar('\n');
}

static int print_json(const char *before, json_t *v)
{
	char *text;

	TRY(json_print(&text, v, 0));
	fputs(before, stdout);
	print_name(text);
	putchar('\n');
	free(text);
	return 0;
}

static int print_meta(json_t *meta)
{
	const char *key;
	json_t *v;

	json_object_foreach(meta, key, v) {
		printf("meta     ");
		print_name(key);
		TRY(print_json(" ", v));
	}
	return 0;
}

static long long number(json_t *v, const char *key)
{
	return (long long)json_integer_value(json_object_get(v, key));
}

static int print_stream(json_t *s)
{
	const char *key;
	json_t *v;
	size_t i;

	print_name(json_text(s, "from", ""));
	printf(": %s", json_text(s, "kind", ""));
	if (json_text(s, "content", NULL))
		printf(" %s", json_text(s, "content", NULL));
	printf("%s\n", json_flag(s, "whole", 0) ? "" : " (not whole)");
	TRY(print_meta(json_object_get(s, "meta")));
	json_array_foreach(json_object_get(s, "tensors"), i, v)
		print_tensor(v);
	if (number(s, "samples"))
		printf("data     %lld samples, %lld tokens, %lld labels\n",
		       number(s, "samples"), number(s, "tokens"),
		       number(s, "labels"));
	json_object_foreach(json_object_get(s, "other"), key, v)
		printf("other    %lld %s\n", (long long)json_integer_value(v),
		       key);
	json_array_foreach(json_object_get(s, "provenance"), i, v)
		TRY(print_json("prov     ", v));
	printf("total    %zu tensors, %lld values,",
	       json_array_size(json_object_get(s, "tensors")),
	       number(s, "values"));
	print_bytes(number(s, "bytes"));
	printf("\n");
	return 0;
}

static int print_list(json_t *list)
{
	char *text;
	json_t *s;
	size_t i;

	if (!as_json) {
		json_array_foreach(list, i, s)
			TRY(print_stream(s));
		return 0;
	}
	TRY(json_print(&text, list, 1));
	puts(text);
	free(text);
	return 0;
}

static int list_operands(char **operands)
{
	json_t *list;
	int err = st_list(&list, operands), printed;

	if (err)
		fprintf(stderr, "%s: %s\n", program.name, err_text());
	printed = print_list(list);
	json_decref(list);
	if (printed || fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "%s: <stdout>: write failed\n", program.name);
		return err ? err : E_IO;
	}
	return err;
}

int main(int argc, char **argv)
{
	char **operands = NULL;
	size_t n;
	int done, err;

	sig_init();
	err = opt_parse(&program, argc, argv, &operands, &n, &done);
	if (err)
		fprintf(stderr, "%s: %s\n", program.name, err_text());
	else if (!done)
		err = list_operands(operands);
	return err;
}
