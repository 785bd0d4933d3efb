/* A task's description, a byte 0xff, and the JSON of a record: what it shows,
 * its choices and targets. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "infer/task_file.h"
#include "tests/fuzz/replay.h"

enum { MOST = 60000 };          /* what a pipe holds, at least */

static void ask(const struct task_spec *s, json_t *doc)
{
	json_t *choices = NULL, *targets = NULL;
	char *text;

	if (s->text && !task_render(&text, s->text, doc))
		free(text);
	if (s->choices && task_choices(s, doc, &choices))
		choices = NULL;
	if (s->target && !task_targets(s, doc, choices, &targets))
		json_decref(targets);
	json_decref(choices);
}

static void filter(const struct task_spec *s, json_t *doc)
{
	static const struct task_run run;
	const char *answer = json_text(doc, "answer", "The 12 a. -3");
	char *text;

	for (size_t i = 0; i < s->nfilter; i++)
		if (!task_filtered(&run, &s->filter[i], answer, &text))
			free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *mid = size ? memchr(data, 0xff, size) : NULL;
	size_t n = mid ? (size_t)(mid - data) : size;
	struct task_spec s;
	json_t *doc;
	int end[2];

	if (size > MOST || pipe(end) ||
	    write(end[1], data, n) != (ssize_t)n)
		return 0;
	close(end[1]);
	dup2(end[0], STDIN_FILENO);
	close(end[0]);
	if (!task_spec_read(&s, "-", "data.jsonl") && mid &&
	    !json_parse(&doc, (const char *)mid + 1, size - n - 1)) {
		ask(&s, doc);
		filter(&s, doc);
		json_decref(doc);
	}
	task_spec_release(&s);
	return 0;
}
