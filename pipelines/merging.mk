# merging.mk - where to train, and where to merge: the full or the quantised
# base?
#
#   make -f pipelines/merging.mk [OUT=merging] [DATA= TEST=] ...
#
# One adapter is trained on the model as it is (lora.mk, in LORA), one on the
# model in NF4 (qlora.mk, in QLORA). Each is asked beside either base, merged
# into either, and merged and quantised again. Told as paper.mk is.
NAME   = merging
BENCH  =
LORA  ?= $(OUT)/lora
QLORA ?= $(OUT)/qlora
include $(dir $(lastword $(MAKEFILE_LIST)))measure.mk

FULL   = $(SHARED)/base.st
NF4    = $(QLORA)/quantised.st
ON_FULL = $(LORA)/adapter.st
ON_NF4 = $(QLORA)/adapter.st
MERGE  = $(BIN)/merge-adapter -q
WAYS   = beside-full beside-nf4 into-full into-full-nf4 into-nf4 into-nf4-nf4
STATES = $(foreach a,full nf4,$(WAYS:%=$(a)-%))

all: $(OUT)/report.txt

# ---- what the two pipelines make, and what they have measured ----

MADE   = adapter.st quantised.st merged.st tuned.json merged.json
$(LORA)/report.txt $(QLORA)/report.txt: FORCE $(FULL) $(LEARN) $(MEASURED_ON)
	@$(MAKE) --no-print-directory -f $(HERE)/$(notdir $(@D)).mk \
		OUT=$(@D) SHARED=$(SHARED) > /dev/null
$(MADE:%=$(LORA)/%): $(LORA)/report.txt ;
$(MADE:%=$(QLORA)/%): $(QLORA)/report.txt ;

same   = for f in $(basename $<).*json $(basename $<).answers; do \
	cp $$f $(basename $@)$${f\#$(basename $<)}; done
$(OUT)/full-beside-full.json: $(LORA)/tuned.json | $(OUT)
	@$(same)
$(OUT)/full-into-full.json: $(LORA)/merged.json | $(OUT)
	@$(same)
$(OUT)/nf4-beside-nf4.json: $(QLORA)/tuned.json | $(OUT)
	@$(same)
$(OUT)/nf4-into-nf4.json: $(QLORA)/merged.json | $(OUT)
	@$(same)

# ---- the other ways ----

$(OUT)/full-beside-nf4.json: $(NF4) $(ON_FULL) $(MEASURED_ON) | $(OUT)
	$(call measure,$(wordlist 1,2,$^))
$(OUT)/nf4-beside-full.json: $(FULL) $(ON_NF4) $(MEASURED_ON) | $(OUT)
	$(call measure,$(wordlist 1,2,$^))
$(OUT)/nf4-into-full.st: $(FULL) $(ON_NF4) | $(OUT)
	$(MERGE) -A $(ON_NF4) -o $@ $<
$(OUT)/full-into-nf4.st: $(NF4) $(ON_FULL) | $(OUT)
	$(MERGE) -A $(ON_FULL) -o $@ $<
$(OUT)/full-into-full-nf4.st: $(LORA)/merged.st | $(OUT)
	$(BIN)/quantize-nf4 -o $@ $<
$(OUT)/nf4-into-full-nf4.st: $(OUT)/nf4-into-full.st
	$(BIN)/quantize-nf4 -o $@ $<
$(OUT)/full-into-nf4-nf4.st: $(NF4) $(ON_FULL) | $(OUT)
	$(MERGE) --requantise -A $(ON_FULL) -o $@ $<
$(OUT)/nf4-into-nf4-nf4.st: $(NF4) $(ON_NF4) | $(OUT)
	$(MERGE) --requantise -A $(ON_NF4) -o $@ $<

$(OUT)/results.tsv: $(STATES:%=$(OUT)/%.json)
	@{ $(foreach s,$(STATES),$(call row,$(s),$(OUT));) } > $@
$(OUT)/report.txt: $(OUT)/results.tsv
	@awk -f $(HERE)/report.awk $< > $@
