#include "formats/export_card.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A text inside a table or a line: nothing in it ends the cell. */
static void put_cell(FILE *f, const char *text)
{
	for (; *text; text++) {
		if (*text == '|' || *text == '`' || *text == '\\')
			fputc('\\', f);
		fputc((unsigned char)*text < 0x20 ? ' ' : *text, f);
	}
}

/* A JSON string is a YAML string too. */
static void put_yaml(FILE *f, const char *key, json_t *text)
{
	char *json = json_dumps(text, JSON_ENCODE_ANY);

	if (json)
		fprintf(f, "%s: %s\n", key, json);
	free(json);
}

/* A soft prompt? It has this key, and no rank. */
static const char tokens[] = "num_virtual_tokens";

static void put_head(FILE *f, json_t *peft)
{
	json_t *base = json_object_get(peft, "base_model_name_or_path");
	int front = json_object_get(peft, tokens) != NULL;

	fputs("---\n", f);
	if (json_is_string(base))
		put_yaml(f, "base_model", base);
	fprintf(f, "library_name: peft\npipeline_tag: text-generation\n"
		"%s---\n\n# %s\n\n", front ? "" : "tags:\n- lora\n",
		front ? "Soft prompt" : "LoRA adapter");
	fputs(front ? "A soft prompt" : "An adapter", f);
	if (json_is_string(base)) {
		fputs(" for ", f);
		put_cell(f, json_string_value(base));
	}
	if (front)
		fprintf(f, ": %.0f virtual tokens", json_number(peft, tokens,
								0));
	else
		fprintf(f, ": rank %.0f, alpha %g, at",
			json_number(peft, "r", 0),
			json_number(peft, "lora_alpha", 0));
}

static void put_modules(FILE *f, json_t *peft)
{
	json_t *list = json_object_get(peft, "target_modules"), *name;
	size_t i;

	if (json_array_size(list) > 16)
		fprintf(f, " %zu modules", json_array_size(list));
	else
		json_array_foreach(list, i, name) {
			fputs(i ? ", " : " ", f);
			put_cell(f, json_string_value(name));
		}
	fputs(".\n\n## How it was made\n\n", f);
}

static void put_options(FILE *f, json_t *params)
{
	const char *key, *space = "";
	json_t *v;

	json_object_foreach(params, key, v) {
		char *json = json_is_string(v) ? NULL :
			     json_dumps(v, JSON_ENCODE_ANY);

		fprintf(f, "%s--", space);
		put_cell(f, key);
		fputc(' ', f);
		put_cell(f, json ? json : json_is_string(v) ?
			 json_string_value(v) : "");
		free(json);
		space = " ";
	}
}

static void put_inputs(FILE *f, json_t *in)
{
	const char *comma = "";
	json_t *input;
	size_t i;

	json_array_foreach(in, i, input) {
		fputs(comma, f);
		put_cell(f, json_text(input, "kind", "?"));
		fputc(' ', f);
		put_cell(f, json_text(input, "content", "?"));
		comma = "<br>";
	}
}

static void put_table(FILE *f, json_t *provenance)
{
	json_t *record;
	size_t i;

	if (!json_array_size(provenance)) {
		fputs("The stream says nothing about it.\n", f);
		return;
	}
	fputs("| program | inputs (digest of the content) | options |\n"
	      "|---|---|---|\n", f);
	json_array_foreach(provenance, i, record) {
		fputs("| ", f);
		put_cell(f, json_text(record, "tool", "?"));
		fputc(' ', f);
		put_cell(f, json_text(record, "ver", ""));
		fputs(" | ", f);
		put_inputs(f, json_object_get(record, "in"));
		fputs(" | ", f);
		put_options(f, json_object_get(record, "params"));
		fputs(" |\n", f);
	}
	fputs("\nThe same inputs and options give the same bytes.\n", f);
}

int export_card(char **text, json_t *peft, json_t *provenance)
{
	size_t size;
	FILE *f = open_memstream(text, &size);
	int bad;

	if (!f)
		return err_set(E_NOMEM, "out of memory");
	put_head(f, peft);
	put_modules(f, peft);
	put_table(f, provenance);
	bad = ferror(f);
	if (!fclose(f) && !bad)
		return 0;
	free(*text);
	return err_set(E_NOMEM, "out of memory");
}
