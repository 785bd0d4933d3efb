#include "arch/family_text.h"
#include "base/size.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_WORDS = 40 };

struct parser {
	struct family *f;
	const char *origin;
	const char *section;    /* "config"; NULL: none */
	size_t indent;          /* of the section's first entry; 0: none yet */
	char *entry;            /* the line in hand, continuations joined */
	int line, entry_line;
};

struct words {
	char *at[LINE_WORDS];
	size_t n;
};

static int fault(const struct parser *p, const char *what, const char *word)
{
	return err_set(E_DATA, "%s: line %d: %s%s%s", p->origin, p->entry_line,
		       what, *word ? ": " : "", word);
}

/* Cuts line in place. */
static int cut(const struct parser *p, struct words *w, char *line)
{
	char *rest = NULL;

	w->n = 0;
	for (char *s = strtok_r(line, " \t", &rest); s;
	     s = strtok_r(NULL, " \t", &rest)) {
		if (w->n == LINE_WORDS)
			return fault(p, "too many words", "");
		w->at[w->n++] = s;
	}
	return 0;
}

static int name_copy(const struct parser *p, char *to, size_t size,
		     const char *word)
{
	if (strlen(word) >= size)
		return fault(p, "name too long", word);
	memset(to, 0, size);
	memcpy(to, word, strlen(word));
	return 0;
}

static int list_add(const struct parser *p, struct family_words *list,
		    const struct words *w)
{
	for (size_t i = 1; i < w->n; i++) {
		if (list->n == FAMILY_WORDS)
			return fault(p, "too many words", w->at[i]);
		list->at[list->n++] = w->at[i];
	}
	return w->n > 1 ? 0 : fault(p, "nothing named", "");
}

/* ---- entries of the sections ---- */

/* The first word, and where what follows it begins. */
static char *head_of(char *line, char **rest)
{
	char *name = line + strspn(line, " \t");

	*rest = name + strcspn(name, " \t");
	if (**rest)
		*(*rest)++ = 0;
	*rest += strspn(*rest, " \t");
	return name;
}

static int rule_add(struct parser *p, char *line, struct family_rule *rule,
		    size_t *n, int layer)
{
	struct family *f = p->f;
	char *expr, *name = head_of(line, &expr);

	if (*n == FAMILY_RULES)
		return fault(p, "too many numbers", name);
	if (strlen(name) >= FAMILY_NAME)
		return fault(p, "name too long", name);
	if (family_defines_layer(f, name))
		return fault(p, "defined twice", name);
	for (size_t i = 0; i < f->nrule; i++)
		if (!strcmp(f->rule[i].name, name))
			return fault(p, "defined twice", name);
	if (family_expr_check(expr, layer))
		return fault(p, "not an expression", expr);
	rule[(*n)++] = (struct family_rule){ name, expr, p->entry_line };
	return 0;
}

static int entry_require(struct parser *p, char *line)
{
	struct family *f = p->f;
	char *values, *key = head_of(line, &values);

	if (f->nrequire == FAMILY_RULES)
		return fault(p, "too many keys", key);
	if (!*values)
		return fault(p, "no value", key);
	f->require[f->nrequire++] =
		(struct family_rule){ key, values, p->entry_line };
	return 0;
}

static int attribute(struct parser *p, struct family_tensor *t,
		     const char *word)
{
	const struct {
		const char *word;
		int *flag;
	} flag[] = {
		{ "optional", &t->optional }, { "plus1", &t->plus1 },
		{ "transposed", &t->transposed }, { "copied", &t->copied },
		{ "shared", &t->shared }, { "unbiased", &t->unbiased },
	};

	for (size_t i = 0; i < NELEM(flag); i++)
		if (!strcmp(word, flag[i].word))
			return *flag[i].flag = 1, 0;
	if (!strncmp(word, "grouped=", 8))
		return name_copy(p, t->grouped, FAMILY_NAME, word + 8);
	if (!strncmp(word, "tied=", 5)) {
		t->optional = 1;
		return name_copy(p, t->tied, FAMILY_NAME, word + 5);
	}
	if (strncmp(word, "permuted=", 9))
		return fault(p, "unknown attribute", word);
	t->gguf_permuted = 1;
	return name_copy(p, t->permute_heads, FAMILY_NAME, word + 9);
}

static int shape_of(struct parser *p, struct family_tensor *t, char *word)
{
	char *comma = strchr(word, ',');

	if (comma) {
		*comma = 0;
		TRY(name_copy(p, t->rows[1], sizeof(t->rows[1]), comma + 1));
	}
	return name_copy(p, t->rows[0], sizeof(t->rows[0]), word);
}

static int entry_tensor(struct parser *p, char *line)
{
	static const char *const roles[] = { "linear", "head", "embed",
					     "norm" };
	struct family *f = p->f;
	struct family_tensor t = { 0 };
	struct words w;
	size_t r = 0;

	TRY(cut(p, &w, line));
	if (w.n < 5)
		return fault(p, "want: name role shape hf gguf",
			     w.n ? w.at[0] : "");
	if (f->ntensor == FAMILY_TENSORS)
		return fault(p, "too many tensors", w.at[0]);
	if (family_tensor_find(f, w.at[0]))
		return fault(p, "defined twice", w.at[0]);
	while (r < NELEM(roles) && strcmp(roles[r], w.at[1]))
		r++;
	if (r == NELEM(roles))
		return fault(p, "unknown role", w.at[1]);
	TRY(name_copy(p, t.name, sizeof(t.name), w.at[0]));
	TRY(name_copy(p, t.role, sizeof(t.role), w.at[1]));
	TRY(shape_of(p, &t, w.at[2]));
	TRY(name_copy(p, t.hf, sizeof(t.hf), w.at[3]));
	TRY(name_copy(p, t.gguf, sizeof(t.gguf), w.at[4]));
	for (size_t i = 5; i < w.n; i++)
		TRY(attribute(p, &t, w.at[i]));
	if (t.transposed && !t.rows[1][0])
		return fault(p, "a vector cannot be transposed", t.name);
	f->tensor[f->ntensor++] = t;
	return 0;
}

static int entry_key(struct parser *p, char *line)
{
	struct words w;

	TRY(cut(p, &w, line));
	return family_key_parse(p->f, w.at, w.n) ?
	       err_at(E_DATA, "%s: line %d", p->origin, p->entry_line) : 0;
}

static int entry_step(struct parser *p, char *line, enum family_part part)
{
	struct family *f = p->f;
	struct words w;

	TRY(cut(p, &w, line));
	if (f->nstep[part] == FAMILY_STEPS)
		return fault(p, "too many steps", w.at[0]);
	if (family_step_parse(&f->step[part][f->nstep[part]], f, w.at, w.n))
		return err_at(E_DATA, "%s: line %d", p->origin,
			      p->entry_line);
	f->step[part][f->nstep[part]++].line = p->entry_line;
	return 0;
}

static int entry(struct parser *p, char *line)
{
	static const char *const part[] = { "head", "block", "tail" };

	if (!p->section)
		return fault(p, "indented, but in no section", line);
	if (!strcmp(p->section, "config"))
		return rule_add(p, line, p->f->rule, &p->f->nrule, 0);
	if (!strcmp(p->section, "layer"))
		return rule_add(p, line, p->f->layer, &p->f->nlayer, 1);
	if (!strcmp(p->section, "require"))
		return entry_require(p, line);
	if (!strcmp(p->section, "metadata"))
		return entry_key(p, line);
	if (!strcmp(p->section, "tensors"))
		return entry_tensor(p, line);
	for (size_t i = 0; i < NELEM(part); i++)
		if (!strcmp(p->section, part[i]))
			return entry_step(p, line, (enum family_part)i);
	return fault(p, "no such section", p->section);
}

/* ---- lines ---- */

static int directive(struct parser *p, char *line)
{
	static const char *const sections[] = { "config", "layer", "require",
						"metadata", "tensors", "head",
						"block", "tail" };
	struct family *f = p->f;
	struct words w;

	TRY(cut(p, &w, line));
	p->section = NULL;
	p->indent = 0;
	for (size_t i = 0; i < NELEM(sections); i++) {
		if (strcmp(w.at[0], sections[i]))
			continue;
		p->section = sections[i];
		return w.n == 1 ? 0 : fault(p, "words after a section's name",
					    w.at[1]);
	}
	if (!strcmp(w.at[0], "family") && w.n == 2) {
		f->name = w.at[1];
		return 0;
	}
	if (!strcmp(w.at[0], "prefix") && w.n == 2)
		return name_copy(p, f->prefix, sizeof(f->prefix), w.at[1]);
	if (!strcmp(w.at[0], "architectures"))
		return list_add(p, &f->architectures, &w);
	if (!strcmp(w.at[0], "model_type"))
		return list_add(p, &f->types, &w);
	if (!strcmp(w.at[0], "gguf"))
		return list_add(p, &f->gguf, &w);
	if (!strcmp(w.at[0], "ignore"))
		return list_add(p, &f->ignore, &w);
	if (!strcmp(w.at[0], "also") && w.n == 3)
		return list_add(p, &f->also, &w);
	return fault(p, "not understood", w.at[0]);
}

static int flush(struct parser *p)
{
	char *line = p->entry;

	p->entry = NULL;
	return line ? entry(p, line) : 0;
}

static size_t indent_of(const char *line)
{
	size_t n = 0;

	for (; *line == ' ' || *line == '\t'; line++)
		n = *line == '\t' ? (n / 8 + 1) * 8 : n + 1;
	return n;
}

/* One physical line, which ends at its 0. An entry's continuation lies behind
 * it in the text: blanks between them join the two. */
static int physical(struct parser *p, char *line)
{
	size_t indent;
	char *end = line + strcspn(line, "#");

	memset(end, 0, strlen(end));
	while (end > line && isspace((unsigned char)end[-1]))
		*--end = 0;
	if (!*line)
		return 0;
	indent = indent_of(line);
	if (p->entry && p->indent && indent > p->indent) {
		for (char *s = p->entry + strlen(p->entry); s < line; s++)
			*s = ' ';
		return 0;
	}
	TRY(flush(p));
	p->entry_line = p->line;
	if (!indent)
		return directive(p, line);
	if (!p->indent)
		p->indent = indent;
	p->entry = line;
	return 0;
}

/* ---- the whole ---- */

static int check_names(const struct parser *p)
{
	const struct family *f = p->f;

	for (size_t i = 0; i < f->ntensor; i++) {
		const struct family_tensor *t = &f->tensor[i];

		if (family_defines(f, t->name) ||
		    family_defines_layer(f, t->name))
			return err_set(E_DATA, "%s: %s is a tensor and a "
				       "number", p->origin, t->name);
		if (t->tied[0] && !family_tensor_find(f, t->tied))
			return err_set(E_DATA, "%s: %s: no such tensor: %s",
				       p->origin, t->name, t->tied);
		if (t->permute_heads[0] && !family_defines(f, t->permute_heads))
			return err_set(E_DATA, "%s: %s: no such number: %s",
				       p->origin, t->name, t->permute_heads);
		if (t->grouped[0] && (!family_defines(f, t->grouped) ||
				      !family_defines(f, "head_dim")))
			return err_set(E_DATA, "%s: %s: no %s or no head_dim",
				       p->origin, t->name, t->grouped);
	}
	return family_keys_complete(p->f);
}

static int check(const struct parser *p)
{
	const struct family *f = p->f;

	if (!f->name)
		return err_set(E_DATA, "%s: no \"family NAME\"", p->origin);
	if (!family_defines(f, "layers") || !family_defines(f, "hidden") ||
	    !family_defines(f, "vocab"))
		return err_set(E_DATA, "%s: config must define layers, hidden "
			       "and vocab", p->origin);
	for (int part = 0; part < FAMILY_PARTS; part++)
		if (!f->nstep[part])
			return err_set(E_DATA, "%s: needs head, block and "
				       "tail", p->origin);
	return check_names(p);
}

static int parse(struct parser *p, size_t size)
{
	char *line = p->f->text;

	for (size_t i = 0; i <= size; i++) {
		if (i < size && p->f->text[i] != '\n')
			continue;
		p->f->text[i] = 0;
		p->line++;
		TRY(physical(p, line));
		line = p->f->text + i + 1;
	}
	TRY(flush(p));
	return check(p);
}

int family_parse(struct family **f, const char *text, size_t size,
		 const char *origin)
{
	struct parser p = { .origin = origin };
	int err;

	*f = NULL;
	if (memchr(text, 0, size))
		return err_set(E_DATA, "%s: not a text", origin);
	p.f = calloc(1, sizeof(*p.f));
	if (!p.f || !(p.f->text = malloc(size + 1))) {
		family_free(p.f);
		return err_set(E_NOMEM, "%s: out of memory", origin);
	}
	strcpy(p.f->prefix, "model.");
	memcpy(p.f->text, text, size);
	p.f->text[size] = 0;
	err = parse(&p, size);
	if (err)
		family_free(p.f);
	else
		*f = p.f;
	return err;
}
