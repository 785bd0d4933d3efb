/* Any text as adapter_config.json, and what is written of it again. */
#include <stdlib.h>

#include "formats/export_card.h"
#include "formats/peft_config.h"
#include "formats/peft_tokens.h"
#include "tests/fuzz/replay.h"

/* Two tokens' rows, and the configuration itself as added_tokens.json. */
static void read_tokens(json_t *adapter, json_t *peft)
{
	json_t *tokens = json_object();

	if (!peft_tokens_module(tokens, peft, "model.embed_tokens", 2) &&
	    peft_tokens_read(adapter, tokens, peft))
		abort();
	json_decref(tokens);
}

static void write_again(json_t *adapter)
{
	json_t *peft, *file;
	char *card;

	if (peft_config_write(&peft, adapter, NULL, NULL))
		return;
	if (!export_card(&card, peft, NULL))
		free(card);
	if (!peft_tokens_file(&file, adapter))
		json_decref(file);
	json_decref(peft);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *peft, *meta = json_object();
	struct peft_config c;

	if (!json_parse(&peft, (const char *)data, size)) {
		if (!peft_config_check(peft)) {
			if (!peft_config_begin(&c, peft) &&
			    !peft_config_module(&c, "layers.1.q_proj", 3) &&
			    !peft_config_module(&c, "layers.1.v_proj", 8) &&
			    !peft_config_end(&c, meta)) {
				json_t *a = json_object_get(meta, "adapter");

				read_tokens(a, peft);
				write_again(a);
			}
			peft_config_release(&c);
		}
		json_decref(peft);
	}
	json_decref(meta);
	return 0;
}
