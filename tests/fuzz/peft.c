/* Any text as adapter_config.json, and what is written of it again. */
#include <stdlib.h>

#include "formats/export_card.h"
#include "formats/peft_config.h"
#include "tests/fuzz/replay.h"

static void write_again(json_t *adapter)
{
	json_t *peft;
	char *card;

	if (peft_config_write(&peft, adapter, NULL, NULL))
		return;
	if (!export_card(&card, peft, NULL))
		free(card);
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
			    !peft_config_end(&c, meta))
				write_again(json_object_get(meta, "adapter"));
			peft_config_release(&c);
		}
		json_decref(peft);
	}
	json_decref(meta);
	return 0;
}
