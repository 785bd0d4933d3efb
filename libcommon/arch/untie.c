#include "arch/untie.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void name_of(char *buf, size_t size, const struct family_tensor *t)
{
	family_hf_name(buf, size - strlen(".weight"), t, 0);
	strcat(buf, ".weight");
}

/* The family's head that may be tied, and what it may be tied to. */
static void find_pair(struct untie *u, const struct family *f)
{
	size_t n;
	const struct family_tensor *t = family_tensors(f, &n);

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; t[i].tied[0] && k < n; k++)
			if (!strcmp(t[k].name, t[i].tied)) {
				name_of(u->head, sizeof(u->head), &t[i]);
				name_of(u->embed, sizeof(u->embed), &t[k]);
			}
}

/* What has to change in the config, in a copy; *c NULL: nothing. */
static int edit(struct untie *u, const struct merger *m, json_t *config,
		int dense, json_t **c)
{
	const struct family *f;

	*c = NULL;
	u->known = !family_find(&f, config);
	if (u->known)
		find_pair(u, f);
	u->wanted = u->head[0] && (m->parts ||
				   merger_changes_alone(m, u->head) ||
				   merger_changes_alone(m, u->embed));
	dense = dense && json_object_get(config, "quantization_config");
	if (!dense && (!u->wanted ||
		       json_is_false(json_object_get(config,
						     "tie_word_embeddings"))))
		return 0;
	*c = json_copy(config);
	if (!*c)
		return err_set(E_NOMEM, "out of memory");
	if (u->wanted)
		json_object_set_new(*c, "tie_word_embeddings", json_false());
	if (dense)
		json_object_del(*c, "quantization_config");
	return 0;
}

/* blob's text is now c's. */
static int rewrite(struct tensor *blob, json_t *c)
{
	struct tensor t;
	char *text;
	size_t size;
	int err;

	TRY(json_print(&text, c, 2));
	size = strlen(text);
	err = tensor_init(&t, blob->name, blob->role, DTYPE_U8, 1, &size);
	if (!err)
		err = tensor_alloc(&t);
	if (!err) {
		memcpy(t.part[0].data, text, size);
		tensor_release(blob);
		tensor_move(blob, &t);
	}
	tensor_release(&t);
	free(text);
	return err;
}

int untie_config(struct untie *u, const struct merger *m, struct tensor *blob,
		 int dense)
{
	json_t *config, *c;
	int err;

	untie_release(u);
	TRY(json_parse(&config, blob->part[0].data, blob->part[0].bytes));
	err = edit(u, m, config, dense, &c);
	if (!err && c)
		err = rewrite(blob, c);
	json_decref(c);
	json_decref(config);
	return err;
}

int untie_changes(const struct untie *u, const struct tensor *t)
{
	return u->wanted && !strcmp(t->name, u->embed);
}

/* A copy of the tensor as the head's. */
static int keep(struct untie *u, const struct tensor *t)
{
	char *name = strdup(u->head);
	int err = name ? tensor_copy(&u->kept, t) :
			 err_set(E_NOMEM, "out of memory");

	if (err) {
		free(name);
		return err;
	}
	free(u->kept.name);
	u->kept.name = name;
	u->kept.role = ROLE_HEAD;
	return 0;
}

int untie_tensor(struct untie *u, const struct merger *m,
		 const struct tensor *t)
{
	if (!u->known && t->role == ROLE_EMBED &&
	    merger_changes_alone(m, t->name))
		return err_set(E_DATA, "%s: an adapter changes it, and no "
			       "config.json of a known family says whether "
			       "the head is tied to it", t->name);
	if (u->head[0] && !strcmp(t->name, u->head))
		u->has_head = 1;
	if (u->has_head)
		tensor_release(&u->kept);
	else if (untie_changes(u, t))
		return keep(u, t);
	return 0;
}

const struct tensor *untie_head(struct untie *u)
{
	return u->kept.name ? &u->kept : NULL;
}

void untie_release(struct untie *u)
{
	tensor_release(&u->kept);
	memset(u, 0, sizeof(*u));
}
