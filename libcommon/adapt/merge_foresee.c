/* What stands against a merge, before any weight of it is read */
#include "adapt/merge_parts.h"

#include <stdlib.h>
#include <string.h>

static void note(struct merger *m, const char *name)
{
	for (size_t i = 0; i < m->n; i++)
		for (size_t k = 0; k < m->at[i].tensors.n; k++)
			m->at[i].used[k] |= (unsigned char)merge_stands_at(
					&m->at[i].tensors.at[k], name);
}

/* An embedding or a head may still get rows, or a head of its own; a vector is
 * small. */
int merger_foresee(struct merger *m, const struct tensor *from)
{
	struct adapter_set *set;
	int err;

	note(m, from->name);
	if (from->role != ROLE_LINEAR || !merger_changes(m, from->name))
		return 0;
	set = calloc(m->n, sizeof(*set));
	err = set ? merge_sets(set, m, from) :
		    err_set(E_NOMEM, "out of memory");
	if (!err && merger_keeps_codes(m, from))
		err = merge_zeros_fit(from, m, set);
	for (size_t i = 0; set && i < m->n; i++)
		adapter_set_release(&set[i]);
	free(set);
	return err;
}

/* Has another parameter of the same module a place? */
static int is_half(const struct merge_adapter *a, size_t k)
{
	const char *name = a->tensors.at[k].name, *dot = strrchr(name, '.');
	size_t n = dot ? (size_t)(dot - name) + 1 : 0;

	for (size_t i = 0; n && i < a->tensors.n; i++)
		if (a->used[i] && !strncmp(a->tensors.at[i].name, name, n) &&
		    !strchr(a->tensors.at[i].name + n, '.'))
			return 1;
	return 0;
}

int merger_foreseen(const struct merger *m, int head)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct merge_adapter *a = &m->at[i];

		for (size_t k = 0; k < a->tensors.n; k++)
			if (!a->used[k] && (head || is_half(a, k)))
				return merge_no_place(a->tensors.at[k].name);
	}
	return 0;
}
