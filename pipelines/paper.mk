# paper.mk - what the pipelines of the papers share: a model is imported,
# quantised, measured, fine-tuned, measured again, and, where the method has a
# merge, merged with proof and measured a third time
#
# A pipeline sets NAME, QUANTISE (a filter, base in, base out), METHOD (options
# of peft-step) and MERGE (options of merge-adapter; no: none), and includes
# this. A second run does nothing, since nothing changed.
include $(dir $(lastword $(MAKEFILE_LIST)))common.mk

OUT    ?= $(NAME)
MODEL  ?=
DATA   ?= $(ROOT)/pipelines/data/weft-train.jsonl
TEST   ?= $(ROOT)/pipelines/data/weft-test.jsonl
RANK   ?= 8
RATE   ?= 1e-3
EPOCHS ?= 3
MERGED  = $(if $(filter no,$(MERGE)),,yes)

all: $(OUT)/report.txt
	@cat $<

$(OUT):
	mkdir -p $@

$(OUT)/base.st: | $(OUT)
	@model='$(MODEL)'; \
	[ "$$model" ] || model=$$(sh $(ROOT)/pipelines/model.sh $(OUT)); \
	$(BIN)/st-import -o $@ "$$model"

$(eval $(call stamp,quantise,$(QUANTISE)))
$(eval $(call stamp,train,$(METHOD) r=$(RANK) lr=$(RATE) epochs=$(EPOCHS)))
$(eval $(call stamp,merge,$(MERGE)))

$(OUT)/quantised.st: $(OUT)/base.st $(OUT)/quantise.settings
	$(QUANTISE) < $< > $@

$(OUT)/adapter.st: $(OUT)/quantised.st $(DATA) $(OUT)/train.settings
	$(BIN)/peft-step $(METHOD) -r $(RANK) --learning-rate $(RATE) \
		--epochs $(EPOCHS) -g 1 --length 512 --log $(OUT)/train.jsonl \
		--resume $@.ckpt -d $(DATA) -o $@ $<

$(OUT)/merged.st: $(OUT)/quantised.st $(OUT)/adapter.st $(OUT)/merge.settings
	$(BIN)/merge-adapter $(MERGE) --verify 64 -o $@ $(wordlist 1,2,$^) \
		2> $(OUT)/verify.txt || { cat $(OUT)/verify.txt; exit 1; }

# ---- the same questions, before and after ----

$(OUT)/%.json: $(OUT)/%.st $(TEST)
	$(BIN)/eval -t loss -d $(TEST) -o $@ $<
$(OUT)/tuned.json: $(OUT)/quantised.st $(OUT)/adapter.st $(TEST)
	$(BIN)/eval -t loss -d $(TEST) -o $@ $(wordlist 1,2,$^)

# $(call row,WORDS,STREAM,JSON)
row = printf '%-34s %6.1f MB  loss %s\n' '$(1)' \
	"$$(stat -c %s $(OUT)/$(2) | awk '{ print $$1 / 1e6 }')" \
	"$$(sed -n 's/.*"loss": \([0-9.]*\).*/\1/p' $(OUT)/$(3) | cut -c1-6)"

$(OUT)/report.txt: $(OUT)/base.json $(OUT)/quantised.json $(OUT)/tuned.json \
		$(if $(MERGED),$(OUT)/merged.json)
	@{ $(call row,the model,base.st,base.json); \
	$(call row,quantised,quantised.st,quantised.json); \
	$(call row,with the adapter (its size),adapter.st,tuned.json); \
	$(if $(MERGED),$(call row,merged,merged.st,merged.json);\
	cat $(OUT)/verify.txt;) } > $@

.PHONY: all FORCE
