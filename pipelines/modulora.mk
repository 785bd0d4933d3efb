# modulora.mk - ModuLoRA: LoRA beside a base of any quantiser
#
#   make -f pipelines/modulora.mk [OUT=modulora] [MODEL=model.gguf] [BITS=3]
#   make -f pipelines/modulora.mk QUANTISE='python3 my-quantiser.py book 3'
#
# QUANTISE is a filter: a base stream in, a base stream out whose weights it
# described in one of the format's storages (docs/quantisers.md). Nothing else
# has to know it. The adapter is not merged: that would need quantising again.
NAME      = modulora
BITS     ?= 3
QUANTISE ?= $(BIN)/quantize-int --bits $(BITS) --gptq -d $(LEARN) -
METHOD    = --method lora --alpha 32
MERGE     = no
include $(dir $(lastword $(MAKEFILE_LIST)))paper.mk
