#include "formats/soft_text.h"

#include <stdlib.h>
#include <string.h>

#include "formats/base_text.h"

static int set_ids(json_t *adapter, const struct text_ids *ids)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < ids->n; i++)
		if (json_array_append_new(list, json_integer(ids->at[i]))) {
			json_decref(list);
			list = NULL;
		}
	if (!list || json_object_set_new(adapter, "init_ids", list))
		return err_set(E_NOMEM, "out of memory");
	return ids->n ? 0 : err_set(E_DATA, "--prompt-init-text: the text has "
				    "no token");
}

int soft_text(json_t *adapter, const struct collected *base, const char *text)
{
	struct text_ids ids = { 0 };
	struct text_codec *codec;
	int err;

	if (!text)
		return 0;
	err = base_text_open(&codec, base, NULL);
	if (err)
		return err_at(err, "--prompt-init-text");
	err = codec->encode(codec->ctx, text, strlen(text), 0, &ids);
	if (!err)
		err = set_ids(adapter, &ids);
	free(ids.at);
	base_text_free(codec);
	return err;
}
