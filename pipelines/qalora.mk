# qalora.mk - QA-LoRA: a model in 4 bits that is fine-tuned, and stays in 4 bits
#
#   make -f pipelines/qalora.mk [OUT=qalora] [MODEL=model.gguf] [BITS=4] ...
#
# The base is quantised by GPTQ, calibrated with the texts that it will be
# trained on (GPTQ=: by rounding); the adapter pools its inputs by the base's
# groups; the merge moves zeros and nothing else, and proves that the model says
# the same. A mean of inputs is small, so it wants a larger learning rate than
# LoRA.
NAME     = qalora
RATE    ?= 1e-2
BITS    ?= 4
GROUP   ?= 32
GPTQ    ?= --gptq -d $(LEARN)
QUANTISE = $(BIN)/quantize-int --bits $(BITS) --group $(GROUP) $(GPTQ) -
METHOD   = --method qalora
MERGE    =
include $(dir $(lastword $(MAKEFILE_LIST)))paper.mk
