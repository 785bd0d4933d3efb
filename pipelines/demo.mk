# demo.mk - from nothing to an answer: a model learns who it is
#
#   make -f pipelines/demo.mk [OUT=demo] [MODEL=model.gguf] [RANK=8] ...
#
# Imports and quantises SmolLM2-135M-Instruct, fine-tunes it on 56 questions and
# answers, measures it before and after, merges with proof, and exports. A
# second run does nothing, since nothing changed.
include $(dir $(lastword $(MAKEFILE_LIST)))common.mk

OUT    ?= demo
MODEL  ?=
DATA   ?= $(ROOT)/pipelines/data/weft-train.jsonl
TEST   ?= $(ROOT)/pipelines/data/weft-test.jsonl
RANK   ?= 8
RATE   ?= 1e-3
EPOCHS ?= 6
ASK    ?= Who are you?

all: $(OUT)/report.txt
	@cat $<

$(OUT):
	mkdir -p $@

# ---- the model, as a stream, in 4 bits ----

$(OUT)/model.path: | $(OUT)
	@if [ '$(MODEL)' ]; then echo '$(MODEL)'; \
	else sh $(ROOT)/pipelines/model.sh $(OUT); fi > $@

$(OUT)/base.st: $(OUT)/model.path
	$(BIN)/st-import -o $@ "$$(cat $<)"

$(OUT)/nf4.st: $(OUT)/base.st
	$(BIN)/quantize-nf4 -o $@ $<

# ---- training ----

$(eval $(call stamp,train,r=$(RANK) lr=$(RATE) epochs=$(EPOCHS)))

$(OUT)/adapter.st: $(OUT)/nf4.st $(DATA) $(OUT)/train.settings
	$(BIN)/peft-step -r $(RANK) --learning-rate $(RATE) \
		--epochs $(EPOCHS) -g 1 --length 512 --log $(OUT)/train.jsonl \
		--resume $@.ckpt -d $(DATA) -o $@ $<

# ---- before and after ----

$(OUT)/before.json: $(OUT)/nf4.st $(TEST)
	$(BIN)/eval -t loss -d $(TEST) -o $@ $<
$(OUT)/after.json: $(OUT)/nf4.st $(OUT)/adapter.st $(TEST)
	$(BIN)/eval -t loss -d $(TEST) -o $@ $(wordlist 1,2,$^)

$(OUT)/before.txt: $(OUT)/nf4.st
	$(BIN)/generate --chat -n 40 --temperature 0 -p '$(ASK)' $< > $@
$(OUT)/after.txt: $(OUT)/nf4.st $(OUT)/adapter.st
	$(BIN)/generate --chat -n 40 --temperature 0 -p '$(ASK)' $^ > $@

# ---- what others can load ----

$(OUT)/merged.st: $(OUT)/nf4.st $(OUT)/adapter.st
	$(BIN)/merge-adapter --verify 64 -o $@ $^
$(OUT)/peft/adapter_config.json: $(OUT)/adapter.st
	$(BIN)/st-export --force --to peft $(OUT)/peft < $<
$(OUT)/hf/config.json: $(OUT)/merged.st
	$(BIN)/st-export --force --to hf $(OUT)/hf < $<

$(OUT)/report.txt: $(OUT)/before.json $(OUT)/after.json $(OUT)/before.txt \
		$(OUT)/after.txt $(OUT)/peft/adapter_config.json \
		$(OUT)/hf/config.json
	@{ echo; \
	echo "question: $(ASK)"; \
	echo "before:   $$(head -c 300 $(OUT)/before.txt | tr '\n' ' ')"; \
	echo "after:    $$(head -c 300 $(OUT)/after.txt | tr '\n' ' ')"; \
	echo; \
	echo "loss on questions not trained on"; \
	echo "before:   $$(cat $(OUT)/before.json | tr -d '\n')"; \
	echo "after:    $$(cat $(OUT)/after.json | tr -d '\n')"; \
	echo; \
	echo "adapter for PEFT:       $(OUT)/peft"; \
	echo "merged for transformers: $(OUT)/hf"; } > $@

.PHONY: all FORCE
