/* What all families of steps share: reading, patterns, pieces. */
#include "formats/tokenizer_parts.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH_MOST = 8 };

static int parse(struct steps *s, json_t *spec, const struct step_family *f,
		 int depth)
{
	const char *type = json_text(spec, "type", NULL);
	const struct step_kind *k = f->kind;
	struct step *step;
	json_t *member;
	size_t i;

	if (!json_is_object(spec) || !type)
		return err_set(E_DATA, "%s has no type", f->name);
	if (!strcmp(type, "Sequence")) {
		if (depth == DEPTH_MOST)
			return err_set(E_DATA, "%s is nested too deeply",
				       f->name);
		json_array_foreach(json_object_get(spec, f->members), i,
				   member)
			TRY(parse(s, member, f, depth + 1));
		return 0;
	}
	while (k->name && strcmp(k->name, type))
		k++;
	if (!k->name)
		return err_set(E_DATA, "%s of type '%s' is not known", f->name,
			       type);
	if (s->n == STEP_MOST)
		return err_set(E_DATA, "%s has more than %d steps", f->name,
			       STEP_MOST);
	step = &s->at[s->n++];
	step->kind = k;
	if (k->init && k->init(step, spec))
		return err_at(E_DATA, "%s %s", f->name, type);
	return 0;
}

int steps_parse(struct steps *s, json_t *root, const struct step_family *f)
{
	json_t *spec = json_object_get(root, f->name);

	return !spec || json_is_null(spec) ? 0 : parse(s, spec, f, 0);
}

void steps_release(struct steps *s)
{
	for (size_t i = 0; i < s->n; i++) {
		regex_free(s->at[i].re);
		text_release(&s->at[i].a);
		text_release(&s->at[i].b);
		free(s->at[i].id);
	}
	memset(s, 0, sizeof(*s));
}

int step_pattern(struct step *s, json_t *spec, const char *key)
{
	json_t *pattern = json_object_get(spec, key);
	json_t *plain = json_object_get(pattern, "String");
	json_t *regex = json_object_get(pattern, "Regex");
	struct text text = { 0 };
	int err;

	if (json_is_string(plain))
		return text_add(&s->a, json_string_value(plain),
				json_string_length(plain));
	if (!json_is_string(regex))
		return err_set(E_DATA, "%s is neither String nor Regex", key);
	err = pattern_translate(&text, json_string_value(regex),
				json_string_length(regex));
	if (!err)
		err = regex_new(&s->re, text.at, text.n, E_DATA);
	text_release(&text);
	return err;
}

static const char *find(const char *text, size_t size, const struct text *what)
{
	const char *end = text + size;

	while (what->n && (size_t)(end - text) >= what->n) {
		text = memchr(text, what->at[0],
			      (size_t)(end - text) - what->n + 1);
		if (!text || !memcmp(text, what->at, what->n))
			return text;
		text++;
	}
	return NULL;
}

static int search(const struct step *s, const char *text, size_t size,
		  size_t from, int *found, struct span *at)
{
	const char *hit;

	if (s->re)
		return regex_search_valid(s->re, text, size, from, found,
					  &at->start, &at->end);
	hit = find(text + from, size - from, &s->a);
	*found = hit != NULL;
	if (hit) {
		at->start = (size_t)(hit - text);
		at->end = at->start + s->a.n;
	}
	return 0;
}

int step_match(const struct step *s, const char *text, size_t size,
	       struct walk *w, int *found, struct span *at)
{
	for (;;) {
		*found = 0;
		if (w->from > size)
			return 0;
		TRY(search(s, text, size, w->from, found, at));
		if (!*found)
			return 0;
		if (at->start != at->end || !w->any || w->last != at->end)
			break;
		/* An empty match where the last one ended does not count. */
		w->from++;
		while (w->from < size && (text[w->from] & 0xc0) == 0x80)
			w->from++;
	}
	w->from = w->last = at->end;
	w->any = 1;
	return 0;
}

int pieces_next(struct pieces *p, size_t start, size_t end)
{
	TRY(array_room(&p->next, p->nnext, &p->next_room, sizeof(*p->next)));
	p->next[p->nnext].start = start;
	p->next[p->nnext++].end = end;
	return 0;
}

int pieces_add(struct pieces *p, const char *text, size_t size)
{
	size_t start = p->text_next.n;

	TRY(text_add(&p->text_next, text, size));
	return pieces_next(p, start, p->text_next.n);
}

void pieces_step(struct pieces *p, int text_too)
{
	struct span *at = p->at;
	size_t room = p->room;

	p->at = p->next;
	p->n = p->nnext;
	p->room = p->next_room;
	p->next = at;
	p->next_room = room;
	p->nnext = 0;
	if (text_too)
		text_swap(&p->text, &p->text_next);
	p->text_next.n = 0;
}

void pieces_release(struct pieces *p)
{
	text_release(&p->text);
	text_release(&p->text_next);
	free(p->at);
	free(p->next);
	*p = (struct pieces){ 0 };
}
