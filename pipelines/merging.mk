# merging.mk - where to train, and where to merge: the full or the quantised
# base?
#
#   make -f pipelines/merging.mk [OUT=merging] [DATA= TEST=] ...
#
# One adapter is trained on the model as it is (lora.mk, in LORA), one on the
# model in NF4 (qlora.mk, in QLORA). Each is asked beside either base, merged
# into either, and merged and quantised again. Told as paper.mk is.
NAME   = merging
LORA  ?= $(OUT)/lora
QLORA ?= $(OUT)/qlora
include $(dir $(lastword $(MAKEFILE_LIST)))measure.mk
BENCH =

FULL   = $(SHARED)/base.st
NF4    = $(QLORA)/quantised.st
MERGE  = $(BIN)/merge-adapter -q
WAYS   = beside-full beside-nf4 into-full into-full-nf4 into-nf4 into-nf4-nf4
STATES = $(foreach a,full nf4,$(WAYS:%=$(a)-%))

all: $(OUT)/report.txt

$(LORA)/adapter.st $(QLORA)/adapter.st: FORCE $(MEASURED_ON)
	@$(MAKE) --no-print-directory -f $(HERE)/$(notdir $(@D)).mk \
		OUT=$(@D) SHARED=$(SHARED) $@
$(NF4): $(QLORA)/adapter.st

# $(call ways,TRAINED_ON,ADAPTER)
define ways
$(OUT)/$(1)-beside-full.json: $(FULL) $(2) $(MEASURED_ON) | $(OUT)
	$$(call measure,$(FULL) $(2))
$(OUT)/$(1)-beside-nf4.json: $(NF4) $(2) $(MEASURED_ON) | $(OUT)
	$$(call measure,$(NF4) $(2))
$(OUT)/$(1)-into-full.st: $(FULL) $(2) | $(OUT)
	$(MERGE) -A $(2) -o $$@ $(FULL)
$(OUT)/$(1)-into-full-nf4.st: $(OUT)/$(1)-into-full.st
	$(BIN)/quantize-nf4 -o $$@ $$<
$(OUT)/$(1)-into-nf4.st: $(NF4) $(2) | $(OUT)
	$(MERGE) -A $(2) -o $$@ $(NF4)
$(OUT)/$(1)-into-nf4-nf4.st: $(NF4) $(2) | $(OUT)
	$(MERGE) --requantise -A $(2) -o $$@ $(NF4)
endef
$(eval $(call ways,full,$(LORA)/adapter.st))
$(eval $(call ways,nf4,$(QLORA)/adapter.st))

$(OUT)/results.tsv: $(STATES:%=$(OUT)/%.json)
	@{ $(foreach s,$(STATES),$(call row,$(s),$(OUT));) } > $@
$(OUT)/report.txt: $(OUT)/results.tsv
	@awk -f $(HERE)/report.awk $< > $@
