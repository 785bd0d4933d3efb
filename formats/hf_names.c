#include "formats/hf_names.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "base/suffix.h"

/* Places in the order: bits 48.. the part, 24.. the layer, 1.. the row of the
 * family's table, bit 0 a bias after its weight. Part 0 is for side files. */
enum { PART_EMBED = 1, PART_LAYERS, PART_TAIL, PART_HEAD };

static uint64_t order_of(int part, size_t layer, size_t row, int bias)
{
	return (uint64_t)part << 48 |
	       (uint64_t)size_min(layer, 0xffffff) << 24 |
	       (uint64_t)size_min(row, 0x7ffff) << 1 | (uint64_t)bias;
}

/* Masks and frequencies that old checkpoints carry as tensors. */
static int is_buffer(const char *name, int rank)
{
	return suffix_is(name, ".rotary_emb.inv_freq") ||
	       suffix_is(name, ".masked_bias") ||
	       (rank == 4 && (suffix_is(name, ".attn.bias") ||
			      suffix_is(name, ".attention.bias")));
}

/* The first number between dots; SIZE_MAX: none. */
static size_t layer_in(const char *name)
{
	for (const char *p = name; (p = strchr(p, '.')); ) {
		char *end;

		p++;
		if (*p < '0' || *p > '9')
			continue;
		size_t v = strtoul(p, &end, 10);
		if (*end == '.')
			return v;
	}
	return SIZE_MAX;
}

static int has(const char *name, const char *const *part)
{
	for (; *part; part++)
		if (strstr(name, *part))
			return 1;
	return 0;
}

static enum tensor_role guess(const char *name, int rank)
{
	static const char *const norm[] = { "norm", "ln_", "ln1", "ln2", 0 };
	static const char *const embed[] = { "embed", "wte", "wpe", 0 };
	static const char *const head[] = { "lm_head", "embed_out", 0 };

	if (suffix_is(name, ".bias"))
		return ROLE_BIAS;
	if (rank < 2)
		return has(name, norm) ? ROLE_NORM : ROLE_OTHER;
	if (rank > 2)
		return ROLE_OTHER;
	if (has(name, head))
		return ROLE_HEAD;
	return has(name, embed) ? ROLE_EMBED : ROLE_LINEAR;
}

static int part_of(enum tensor_role role, size_t layer)
{
	if (layer != SIZE_MAX)
		return PART_LAYERS;
	return role == ROLE_EMBED ? PART_EMBED :
	       role == ROLE_HEAD ? PART_HEAD : PART_TAIL;
}

int hf_name_find(struct hf_name *n, const struct family *f, const char *name,
		 int rank)
{
	const struct family_tensor *t, *table;
	const char *suffix;
	size_t layer = SIZE_MAX, count;
	int bias;

	*n = (struct hf_name){ .drop = is_buffer(name, rank) };
	if (n->drop)
		return 0;
	if (strlen(name) >= sizeof(n->name) - FAMILY_PATH)
		return err_set(E_DATA, "a tensor's name of %zu bytes",
			       strlen(name));
	strcpy(n->name, name);
	if (!f) {
		layer = layer_in(name);
		n->role = guess(name, rank);
		n->order = order_of(part_of(n->role, layer),
				    layer == SIZE_MAX ? 0 : layer, 0, 0);
		return 0;
	}
	t = family_match_hf(f, name, &layer, &suffix);
	if (!t)
		return err_set(E_DATA, "%s: the family %s has no such tensor",
			       name, family_name(f));
	table = family_tensors(f, &count);
	bias = !strcmp(suffix, "bias");
	n->role = bias ? ROLE_BIAS : tensor_role_find(t->role);
	n->transposed = t->transposed && !bias && rank == 2;
	family_hf_name(n->name, sizeof(n->name), t, layer);
	strcat(strcat(n->name, "."), suffix);
	if (!strstr(t->hf, "{i}"))
		layer = SIZE_MAX;
	n->order = order_of(part_of(tensor_role_find(t->role), layer),
			    layer == SIZE_MAX ? 0 : layer,
			    (size_t)(t - table), bias);
	return 0;
}

int hf_model_begin(struct hf_model *m, json_t *config)
{
	size_t n;

	*m = (struct hf_model){ 0 };
	TRY(family_find(&m->family, config));
	TRY(family_configure(&m->config, m->family, config));
	TRY(family_size(&m->layers, m->config, "layers"));
	family_tensors(m->family, &n);
	m->seen = calloc(n + 1, sizeof(*m->seen));
	return m->seen ? 0 : err_set(E_NOMEM, "out of memory");
}

static int check_shape(const struct hf_model *m, const struct tensor *t,
		       const struct family_tensor *ft, int bias)
{
	size_t shape[2] = { 0 };
	int rank = 0, same;
	char want[128], got[128];

	for (; rank < 2 && *ft->rows[rank]; rank++)
		TRY(family_size(&shape[rank], m->config, ft->rows[rank]));
	if (bias)
		rank = 1;
	same = rank == t->rank;
	for (int i = 0; i < rank && same; i++)
		same = shape[i] == t->shape[i];
	if (same)
		return 0;
	tensor_shape_text(want, rank, shape);
	return err_set(E_DATA, "%s: shape %s, but config.json says %s",
		       t->name, tensor_shape_text(got, t->rank, t->shape),
		       want);
}

int hf_model_add(struct hf_model *m, const struct tensor *t)
{
	const struct family_tensor *ft;
	size_t layer, count;
	const char *suffix;
	int bias;

	ft = family_match_hf(m->family, t->name, &layer, &suffix);
	if (!ft)
		return err_set(E_BUG, "%s: has no family", t->name);
	if (strstr(ft->hf, "{i}") && layer >= m->layers)
		return err_set(E_DATA, "%s: config.json says %zu layers",
			       t->name, m->layers);
	bias = !strcmp(suffix, "bias");
	if (!bias)
		m->seen[ft - family_tensors(m->family, &count)]++;
	return check_shape(m, t, ft, bias);
}

/* How many of the tensor the steps name. */
static size_t wanted(const struct hf_model *m, const struct family_tensor *t)
{
	size_t n = 0;

	if (!strstr(t->hf, "{i}"))
		return 1;
	for (size_t i = 0; i < m->layers; i++)
		n += (size_t)family_uses(m->config, t, i);
	return n;
}

int hf_model_end(const struct hf_model *m)
{
	size_t n;
	const struct family_tensor *ft = family_tensors(m->family, &n);

	for (size_t i = 0; i < n; i++) {
		size_t want = wanted(m, &ft[i]);

		if (!ft[i].optional && m->seen[i] < want)
			return err_set(E_DATA, "%s: %zu of them, want %zu",
				       ft[i].hf, m->seen[i], want);
	}
	return 0;
}

void hf_model_release(struct hf_model *m)
{
	family_config_free(m->config);
	free(m->seen);
	*m = (struct hf_model){ 0 };
}
