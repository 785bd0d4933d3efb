# qlora.mk - QLoRA: LoRA beside a base in 4-bit NormalFloat with scales that
# are quantised in turn
#
#   make -f pipelines/qlora.mk [OUT=qlora] [MODEL=model.gguf] [DATA= TEST=] ...
#
# Dettmers et al. 2023, arXiv:2305.14314. The merge gives a dense model: it is
# the quantised weights that were trained on, so it is those that are merged
# into. guanaco.mk has the paper's own setting.
NAME     = qlora
QUANTISE = $(BIN)/quantize-nf4 -
METHOD   = --method lora
MERGE    =
include $(dir $(lastword $(MAKEFILE_LIST)))paper.mk
