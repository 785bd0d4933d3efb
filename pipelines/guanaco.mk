# guanaco.mk - a chat model in the setting of QLoRA's Guanaco
#
#   make -f pipelines/guanaco.mk [OUT=guanaco] [DATA=chats.jsonl TEST=...] ...
#
# Dettmers et al. 2023, arXiv:2305.14314, section 5 and appendix B: NF4 with
# double quantisation, rank 64 on all linear layers, alpha 16, dropout 0.1, a
# constant learning rate of 2e-4, 16 conversations a step, gradients clipped at
# 0.3, loss on the answers alone. DATA is anything that tokenize reads. What the
# model answers to SAY before and after stands at the end of the report.
NAME     = guanaco
TASK     =
DATA    ?= $(HERE)/data/weft-train.jsonl
TEST    ?= $(HERE)/data/weft-test.jsonl
SAY     ?= Who are you?
RANK    ?= 64
RATE    ?= 2e-4
EPOCHS  ?= 6
ROWS    ?= -b 16 -g 1 --no-pack --length 1024
QUANTISE = $(BIN)/quantize-nf4 -
METHOD   = --method lora --alpha 16 --dropout 0.1 --max-grad-norm 0.3 \
	   --lr-scheduler constant --optim paged_adamw_8bit
MERGE    =
REPORT_MORE = { echo "$(SAY)"; for with in '' $(OUT)/adapter.st; do \
	$(BIN)/generate --chat $(PROMPTS) -n 40 --temperature 0 -p '$(SAY)' \
		$(OUT)/quantised.st $$with | tr '\n' ' '; echo; done; } >> $@
include $(dir $(lastword $(MAKEFILE_LIST)))paper.mk
