# adalora.mk - AdaLoRA: more ranks than are wanted, of which those stay that
# matter most
#
#   make -f pipelines/adalora.mk [OUT=adalora] [TARGET=8] [DATA= TEST=] ...
#
# Zhang et al. 2023, arXiv:2303.10512. A module begins with RANK ranks, one and
# a half times TARGET, which is what all have in the end on average. All three
# factors begin small and one of them at zero, so the rate is higher than
# LoRA's, and so is what it does to the weights: merged in bf16 it would be
# rounded by more than the proof allows. The report shows which ranks stayed,
# and $(OUT)/ranks.svg is a picture of it.
NAME     = adalora
RATE    ?= 5e-3
RANK    ?= 12
TARGET  ?= 8
QUANTISE =
METHOD   = --method adalora --target-rank $(TARGET) --orth-reg-weight 0.1
MERGE    = --dtype f32
REPORT_MORE = \
	$(BIN)/plot-ranks -o $(OUT)/ranks.svg $(OUT)/adapter.st; \
	$(BIN)/plot-ranks --table $(OUT)/adapter.st | \
		awk -f $(HERE)/ranks.awk > $(OUT)/ranks.txt; \
	cat $(OUT)/ranks.txt >> $@
include $(dir $(lastword $(MAKEFILE_LIST)))paper.mk
