/* A task's description: what its file says, checked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "infer/task_file.h"

enum { SPEC_BYTES = 1 << 22, DEFAULT_WORDS = 256 };

static const struct task_type *const types[] = {
	&task_choose, &task_write, &task_roll,
};

enum { NTYPE = sizeof(types) / sizeof(*types) };

static const char *const keys[] = {
	"task", "task_alias", "tag", "metadata", "description", "data",
	"fewshot_data", "output_type", "doc_to_text", "doc_to_choice",
	"doc_to_target", "target_delimiter", "fewshot_delimiter",
	"num_fewshot", "metric_list", "generation_kwargs", "filter_list", NULL
};

static int check_keys(json_t *o, const char *const *known)
{
	const char *key;
	json_t *v;

	json_object_foreach(o, key, v) {
		size_t i = 0;

		while (known[i] && strcmp(known[i], key))
			i++;
		if (!known[i])
			return err_set(E_DATA, "'%s' is no key that is known "
				       "here", key);
	}
	return 0;
}

/* A text, or none where the key is absent or null; else E_DATA. */
static int get_text(json_t *root, const char *key, const char *none,
		    const char **to)
{
	json_t *v = json_object_get(root, key);

	*to = none;
	if (!v || json_is_null(v))
		return 0;
	*to = json_string_value(v);
	return *to ? 0 : err_set(E_DATA, "%s is no text", key);
}

/* A path beside the description. */
static int beside(char **out, const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');
	int n = slash && *name != '/' ? (int)(slash + 1 - path) : 0;
	size_t size = (size_t)n + strlen(name) + 1;

	*out = malloc(size);
	if (!*out)
		return err_set(E_NOMEM, "out of memory");
	snprintf(*out, size, "%.*s%s", n, path, name);
	return 0;
}

static int get_files(struct task_spec *s, const char *path, const char *data)
{
	const char *own, *shots;

	TRY(get_text(s->root, "data", NULL, &own));
	TRY(get_text(s->root, "fewshot_data", NULL, &shots));
	if (own)
		TRY(beside(&s->data, path, own));
	else if (!data)
		return err_set(E_DATA, "it names no data: use -d");
	else if (!(s->data = strdup(data)))
		return err_set(E_NOMEM, "out of memory");
	return shots ? beside(&s->shots, path, shots) : 0;
}

/* Is name one of the words of list? */
static int is_listed(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (; *list; list += strcspn(list, " "), list += *list == ' ')
		if (strcspn(list, " ") == n && !strncmp(list, name, n))
			return 1;
	return 0;
}

static int add_pattern(struct task_metric *m, json_t *pattern)
{
	const char *text = json_string_value(pattern);

	if (!text || m->nignore == TASK_PATTERNS)
		return err_set(E_DATA, "regexes_to_ignore: want at most %d "
			       "texts", TASK_PATTERNS);
	TRY(regex_new(&m->ignore[m->nignore], text, strlen(text), E_DATA));
	m->nignore++;
	return 0;
}

static int add_metric(struct task_spec *s, const char *name, json_t *how)
{
	struct task_metric *m = &s->metric[s->nmetric];
	json_t *each;
	size_t i;

	if (!name || !is_listed(s->type->metrics, name))
		return err_set(E_DATA, "metric '%s': %s has %s",
			       name ? name : "", s->type->name,
			       s->type->metrics);
	if (s->nmetric == TASK_METRICS)
		return err_set(E_DATA, "more than %d metrics", TASK_METRICS);
	s->nmetric++;
	m->name = name;
	m->ignore_case = json_flag(how, "ignore_case", 0);
	m->ignore_punctuation = json_flag(how, "ignore_punctuation", 0);
	m->ignore_numbers = json_flag(how, "ignore_numbers", 0);
	json_array_foreach(json_object_get(how, "regexes_to_ignore"), i, each)
		TRY(add_pattern(m, each));
	return 0;
}

static int get_metrics(struct task_spec *s)
{
	static const char *const known[] = {
		"metric", "aggregation", "higher_is_better", "ignore_case",
		"ignore_punctuation", "ignore_numbers", "regexes_to_ignore",
		NULL
	};
	json_t *list = json_object_get(s->root, "metric_list"), *each;
	size_t i;

	json_array_foreach(list, i, each) {
		TRY(check_keys(each, known));
		TRY(add_metric(s, json_is_string(each) ?
			       json_string_value(each) :
			       json_text(each, "metric", NULL), each));
	}
	for (i = 0; !list && s->type->usual[i]; i++)
		TRY(add_metric(s, s->type->usual[i], NULL));
	return s->nmetric ? 0 : err_set(E_DATA, "metric_list is empty");
}

static int get_filters(struct task_spec *s)
{
	json_t *list = json_object_get(s->root, "filter_list"), *each;
	size_t i;

	if (list && s->type != &task_write)
		return err_set(E_DATA, "filter_list: %s has no answer to "
			       "filter", s->type->name);
	json_array_foreach(list, i, each) {
		if (i == TASK_FILTERS)
			return err_set(E_DATA, "more than %d filters",
				       TASK_FILTERS);
		s->nfilter = i + 1;
		TRY(task_filter_read(&s->filter[i], each));
	}
	if (!s->nfilter)
		s->filter[s->nfilter++].name = "none";
	return 0;
}

static int add_until(struct task_spec *s, json_t *v)
{
	const char *text = json_string_value(v);

	if (!text || s->nuntil == TASK_UNTIL)
		return err_set(E_DATA, "until: want at most %d texts",
			       TASK_UNTIL);
	if (*text)
		s->until[s->nuntil++] = text;
	return 0;
}

/* Answers are written greedily. */
static int get_generation(struct task_spec *s)
{
	static const char *const known[] = { "until", "max_gen_toks",
		"do_sample", "temperature", NULL };
	json_t *o = json_object_get(s->root, "generation_kwargs"), *each;
	json_t *until = json_object_get(o, "until");
	double most = json_number(o, "max_gen_toks", DEFAULT_WORDS);
	size_t i;

	TRY(check_keys(o, known));
	if (json_flag(o, "do_sample", 0) || json_number(o, "temperature", 0))
		return err_set(E_DATA, "generation_kwargs: answers are written"
			       " greedily, without do_sample and temperature");
	if (!(most >= 1 && most < 1e6))
		return err_set(E_DATA, "max_gen_toks %g", most);
	s->most = (size_t)most;
	if (json_is_string(until))
		return add_until(s, until);
	json_array_foreach(until, i, each)
		TRY(add_until(s, each));
	if (!until && *s->fewshot_delimiter)
		s->until[s->nuntil++] = s->fewshot_delimiter;
	return 0;
}

static int get_type(struct task_spec *s)
{
	const char *name;
	double shots = json_number(s->root, "num_fewshot", 0);

	TRY(get_text(s->root, "output_type", "generate_until", &name));
	for (size_t i = 0; i < NTYPE; i++)
		if (!strcmp(types[i]->name, name))
			s->type = types[i];
	if (!s->type)
		return err_set(E_DATA, "output_type '%s': there are "
			       "multiple_choice, generate_until, "
			       "loglikelihood_rolling", name);
	if (!(shots >= 0 && shots < 1e6))
		return err_set(E_DATA, "num_fewshot %g", shots);
	s->fewshot = (size_t)shots;
	return 0;
}

static int get_templates(struct task_spec *s)
{
	TRY(get_text(s->root, "description", "", &s->description));
	TRY(get_text(s->root, "doc_to_text", "", &s->text));
	TRY(get_text(s->root, "target_delimiter", " ", &s->target_delimiter));
	TRY(get_text(s->root, "fewshot_delimiter", "\n\n",
		     &s->fewshot_delimiter));
	s->choices = json_object_get(s->root, "doc_to_choice");
	s->target = json_object_get(s->root, "doc_to_target");
	if (s->choices && !json_is_string(s->choices) &&
	    !json_is_array(s->choices))
		return err_set(E_DATA, "doc_to_choice is neither text nor "
			       "list");
	if (!json_is_string(s->target) && !json_is_integer(s->target))
		return err_set(E_DATA, "doc_to_target is no text");
	if (s->type == &task_choose && !s->choices)
		return err_set(E_DATA, "multiple_choice without "
			       "doc_to_choice");
	return 0;
}

static int read_spec(struct task_spec *s, const char *path, const char *data)
{
	static const char articles[] = "\\b(a|an|the)\\b";
	static const char blanks[] = "[\\s\\x{1c}-\\x{1f}]+";

	if (!json_is_object(s->root))
		return err_set(E_DATA, "it is no object");
	TRY(check_keys(s->root, keys));
	TRY(get_text(s->root, "task", NULL, &s->name));
	if (!s->name)
		return err_set(E_DATA, "it has no \"task\", a name");
	TRY(get_type(s));
	TRY(get_templates(s));
	TRY(get_generation(s));
	TRY(get_metrics(s));
	TRY(get_filters(s));
	TRY(get_files(s, path, data));
	TRY(regex_new(&s->articles, articles, sizeof(articles) - 1, E_BUG));
	return regex_new(&s->blanks, blanks, sizeof(blanks) - 1, E_BUG);
}

int task_spec_read(struct task_spec *s, const char *path, const char *data)
{
	int err;

	memset(s, 0, sizeof(*s));
	TRY(json_read_file(&s->root, path, SPEC_BYTES));
	err = read_spec(s, path, data);
	return err ? err_at(err, "%s", path) : 0;
}

void task_spec_release(struct task_spec *s)
{
	for (size_t i = 0; i < s->nmetric; i++)
		for (size_t k = 0; k < s->metric[i].nignore; k++)
			regex_free(s->metric[i].ignore[k]);
	for (size_t i = 0; i < s->nfilter; i++)
		for (size_t k = 0; k < TASK_PATTERNS; k++)
			regex_free(s->filter[i].re[k]);
	regex_free(s->articles);
	regex_free(s->blanks);
	free(s->data);
	free(s->shots);
	json_decref(s->root);
	memset(s, 0, sizeof(*s));
}
