# irqlora.mk - IR-QLoRA: NF4 whose codes hold more information, and an adapter
# with an elastic connection
#
#   make -f pipelines/irqlora.mk [OUT=irqlora] [MODEL=model.gguf] ...
#
# What the calibration won is in $(OUT)/entropy.jsonl. The merge gives a dense
# model in f32.
NAME     = irqlora
QUANTISE = $(BIN)/quantize-nf4 --icq --log $(OUT)/entropy.jsonl -
METHOD   = --method iec
MERGE    = --dtype f32
include $(dir $(lastword $(MAKEFILE_LIST)))paper.mk
