/* A line of a program: "op input ... -> output,...  name ... if NAME=VALUE" */
#include "arch/family_text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct line {
	const struct family *f;
	struct family_step *s;
	char *const *word;
	size_t n, at;
};

static int fault(const char *what, const char *word)
{
	return err_set(E_DATA, "%s%s%s", what, *word ? ": " : "", word);
}

static int copy(char *to, size_t size, const char *word)
{
	if (strlen(word) >= size)
		return fault("name too long", word);
	memset(to, 0, size);
	memcpy(to, word, strlen(word));
	return 0;
}

static int is_condition(const char *word)
{
	return !strcmp(word, "if") || !strcmp(word, "unless");
}

static int is_number(const char *word)
{
	char *end;

	if (!isdigit((unsigned char)word[word[0] == '-']))
		return 0;
	strtod(word, &end);
	return !*end;
}

static int inputs(struct line *l)
{
	for (; l->at < l->n && strcmp(l->word[l->at], "->"); l->at++) {
		if (l->s->nin == FAMILY_INPUTS)
			return fault("too many inputs", l->word[l->at]);
		TRY(copy(l->s->in[l->s->nin++], FAMILY_NAME,
			 l->word[l->at]));
	}
	l->at++;
	return 0;
}

/* "q,k,v" */
static int outputs(struct line *l)
{
	struct family_step *s = l->s;
	const char *word;
	size_t n;

	if (l->at >= l->n)
		return fault("want: op input ... -> output name ...", s->op);
	for (word = l->word[l->at++];; word += n + 1) {
		n = strcspn(word, ",");
		if (!n || n >= FAMILY_NAME)
			return fault("no name or too long", word);
		if (s->nout == FAMILY_OUTPUTS)
			return fault("too many outputs", word);
		memcpy(s->out[s->nout++], word, n);
		if (!word[n])
			return 0;
	}
}

static int names(struct line *l)
{
	struct family_step *s = l->s;

	for (; l->at < l->n && !is_condition(l->word[l->at]); l->at++) {
		const char *word = l->word[l->at];
		int key = family_defines(l->f, word) || is_number(word) ||
			  family_defines_layer(l->f, word) ||
			  !strcmp(word, "none");

		if (!key && !s->tensor[0] && family_tensor_find(l->f, word))
			TRY(copy(s->tensor, FAMILY_NAME, word));
		else if (!key)
			return fault("no such tensor or number", word);
		else if (s->nkey == FAMILY_KEYS)
			return fault("too many names", word);
		else
			TRY(copy(s->key[s->nkey++], FAMILY_NAME, word));
	}
	return 0;
}

/* "if NAME", "unless NAME=VALUE|VALUE" */
static int condition(struct line *l)
{
	struct family_step *s = l->s;
	const char *word;
	size_t n;

	if (l->at == l->n)
		return 0;
	s->unless = l->word[l->at][0] == 'u';
	if (l->at + 2 != l->n)
		return fault("want: if NAME or if NAME=VALUE", s->op);
	word = l->word[l->at + 1];
	n = strcspn(word, "=");
	if (n >= FAMILY_NAME)
		return fault("name too long", word);
	memcpy(s->when, word, n);
	if (!family_defines(l->f, s->when) &&
	    !family_defines_layer(l->f, s->when))
		return fault("no such number", s->when);
	return word[n] ? copy(s->values, FAMILY_WHEN, word + n + 1) : 0;
}

int family_step_parse(struct family_step *s, const struct family *f,
		      char *const *word, size_t n)
{
	struct line l = { f, s, word, n, 1 };

	memset(s, 0, sizeof(*s));
	TRY(copy(s->op, FAMILY_NAME, word[0]));
	TRY(inputs(&l));
	TRY(outputs(&l));
	TRY(names(&l));
	return condition(&l);
}
