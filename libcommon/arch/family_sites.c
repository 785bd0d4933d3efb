#include "arch/family_sites.h"

#include <stdio.h>
#include <string.h>

#include "arch/family.h"

static int add(struct adapter_sites *s, const struct family_config *c,
	       const struct family_tensor *t, size_t layer)
{
	char name[FAMILY_PATH + 32];
	struct tensor tensor = { .name = name, .rank = 2,
				 .role = tensor_role_find(t->role) };

	if (!t->rows[1][0] || !family_uses(c, t, layer))
		return 0;
	TRY(family_size(&tensor.shape[0], c, t->rows[0]));
	TRY(family_size(&tensor.shape[1], c, t->rows[1]));
	family_hf_name(name, sizeof(name), t, layer);
	strcat(name, ".weight");
	return adapter_sites_add(s, &tensor);
}

static int add_all(struct adapter_sites *s, const struct family *f,
		   const struct family_config *c)
{
	size_t layers, n;
	const struct family_tensor *t = family_tensors(f, &n);

	TRY(family_size(&layers, c, "layers"));
	if (layers > FAMILY_LAYERS)
		return err_set(E_DATA, "config.json: %zu layers", layers);
	for (size_t i = 0; i < n; i++) {
		if (!strstr(t[i].hf, "{i}")) {
			TRY(add(s, c, &t[i], SIZE_MAX));
			continue;
		}
		for (size_t layer = 0; layer < layers; layer++)
			TRY(add(s, c, &t[i], layer));
	}
	return 0;
}

int family_sites(struct adapter_sites *s, json_t *config)
{
	const struct family *f;
	struct family_config *c;
	int err;

	TRY(family_find(&f, config));
	TRY(family_configure(&c, f, config));
	err = add_all(s, f, c);
	family_config_free(c);
	return err;
}
