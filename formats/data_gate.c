#include "formats/data_gate.h"

#include "base/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sets of eight: a line of the processor's cache. */
enum { SETS = 1 << 17, WAYS = 8 };

static const char *const faults[] = { "unlabelled", "no-stop", "double-bos",
				      "template" };
enum { FAULTS = sizeof(faults) / sizeof(*faults) };

static unsigned fault_of(const char *name, size_t n)
{
	for (unsigned i = 0; i < FAULTS; i++)
		if (strlen(faults[i]) == n && !strncmp(faults[i], name, n))
			return 1u << i;
	return 0;
}

int data_faults_parse(unsigned *allowed, const char *list)
{
	*allowed = 0;
	while (list && *list) {
		size_t n = strcspn(list, ",");
		unsigned fault = fault_of(list, n);

		if (!fault)
			return err_set(E_USAGE, "--allow: '%.*s' is none of "
				       "unlabelled, no-stop, double-bos, "
				       "template", (int)n, list);
		*allowed |= fault;
		list += n + (list[n] == ',');
	}
	return 0;
}

void data_gate_release(struct data_gate *g)
{
	free(g->seen);
	g->seen = NULL;
}

int data_gate_allows(const struct data_gate *g, enum data_fault fault)
{
	return g && g->allowed >> fault & 1;
}

int data_gate_seen(struct data_gate *g, const char *text, size_t size,
		   const size_t *mark, size_t n, int *yes)
{
	uint64_t key[2], hash, *set;

	*yes = 0;
	if (!g)
		return 0;
	if (!g->seen)
		g->seen = calloc((size_t)SETS * WAYS, sizeof(*g->seen));
	if (!g->seen)
		return err_set(E_NOMEM, "no memory to find duplicates with");
	key[0] = digest_64(text, size);
	key[1] = digest_64(mark, n * sizeof(*mark));
	hash = digest_64(key, sizeof(key)) | 1; /* 0 is free */
	set = g->seen + (hash >> 32 & (SETS - 1)) * WAYS;
	for (int i = 0; i < WAYS; i++)
		if (set[i] == hash) {
			*yes = 1;
			return 0;
		}
	memmove(set + 1, set, (WAYS - 1) * sizeof(*set));
	set[0] = hash;
	return 0;
}

static int judge(size_t n, size_t records, double most,
		 const struct data_place *first, const char *what,
		 const char *option, const char *remedy)
{
	if (!n || (double)n <= most * (double)records)
		return 0;
	return err_set(E_DATA, "%s: record %zu %s, as %zu of %zu do, more than"
		       " --%s %g: %s", first->file, first->number, what, n,
		       records, option, most, remedy);
}

static int check_ends(const struct data_gate *g, const struct dataset_stats *s)
{
	const struct data_place *first = &s->first_endless;

	if (!s->endless || s->ended || data_gate_allows(g, FAULT_NO_STOP))
		return 0;
	return err_set(E_DATA, "%s: record %zu learns no stop token, nor does "
		       "any other: all answers are cut at --length before they "
		       "end", first->file, first->number);
}

int data_gate_close(const struct data_gate *g, const struct dataset_stats *s)
{
	if (!g)
		return 0;
	TRY(judge(s->empty, s->records, g->most_empty, &s->first_empty,
		  "holds nothing to learn", "max-empty",
		  "a higher limit leaves them out"));
	TRY(check_ends(g, s));
	TRY(judge(s->truncated + s->dropped, s->records, g->most_truncated,
		  &s->first_truncated, "does not fit into --length",
		  "max-truncated", "raise either"));
	return judge(s->duplicates, s->records, g->most_duplicates,
		     &s->first_duplicate, "repeats an earlier one",
		     "max-duplicates", "look at the data, or raise it");
}

const char *data_counts_text(char text[DATA_COUNTS],
			     const struct dataset_stats *s, size_t length,
			     const char *program)
{
	int n = 0;

	*text = 0;
	if (s->truncated + s->dropped)
		n = snprintf(text, DATA_COUNTS, "%s: %zu samples cut to %zu "
			     "tokens, %zu left out\n", program, s->truncated,
			     length, s->dropped);
	if (s->empty + s->unlabelled)
		n += snprintf(text + n, DATA_COUNTS - (size_t)n, "%s: %zu "
			      "empty and %zu unlabelled records left out\n",
			      program, s->empty, s->unlabelled);
	if (s->unlearned)
		n += snprintf(text + n, DATA_COUNTS - (size_t)n, "%s: %zu "
			      "earlier answers without loss: the template "
			      "renders them otherwise once more follows\n",
			      program, s->unlearned);
	if (s->duplicates)
		snprintf(text + n, DATA_COUNTS - (size_t)n, "%s: %zu of %zu "
			 "records repeat an earlier one\n", program,
			 s->duplicates, s->records);
	return text;
}

static int put(json_t *o, const char *key, size_t n)
{
	return json_object_set_new(o, key, json_integer((json_int_t)n));
}

/* "64": samples of more than 32 and at most 64 tokens. */
static json_t *lengths(const struct dataset_stats *s)
{
	json_t *o = json_object();
	char key[32];

	for (size_t i = 0; i < LENGTH_CLASSES && o; i++) {
		if (!s->lengths[i])
			continue;
		snprintf(key, sizeof(key), "%zu", (size_t)1 << i);
		if (put(o, key, s->lengths[i])) {
			json_decref(o);
			return NULL;
		}
	}
	return o;
}

int data_report(json_t **out, const struct dataset_stats *s)
{
	const struct {
		const char *key;
		size_t n;
	} rows[] = {
		{ "records", s->records }, { "samples", s->samples },
		{ "tokens", s->tokens }, { "labels", s->labels },
		{ "longest", s->longest }, { "truncated", s->truncated },
		{ "dropped", s->dropped }, { "empty", s->empty },
		{ "unlabelled", s->unlabelled },
		{ "unlearned_answers", s->unlearned },
		{ "duplicates", s->duplicates }, { "with_end", s->ends },
	};
	json_t *o = json_object();
	int bad = !o;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows) && !bad; i++)
		bad = put(o, rows[i].key, rows[i].n);
	if (!bad)
		bad = json_object_set_new(o, "lengths", lengths(s));
	*out = bad ? NULL : o;
	if (bad)
		json_decref(o);
	return bad ? err_set(E_NOMEM, "no memory for a report") : 0;
}
