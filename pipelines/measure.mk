# measure.mk - the model, the questions, and how a state of the model is
# measured; what it can be told is in paper.mk
include $(dir $(lastword $(MAKEFILE_LIST)))common.mk

OUT    ?= $(NAME)
SHARED ?= $(OUT)
MODEL  ?=
TASK   ?= $(HERE)/data/squad.json
TEXT   ?=
TEMPLATE ?=
BENCH  ?= yes
ASKED  ?= 64
TRAIN_STORIES ?= 256
TEST_STORIES  ?= 64

ifneq ($(TASK),)
$(if $(DATA),$(if $(TEST),,$(error DATA wants TEST, to be measured on)))
LEARN = $(SHARED)/learn.jsonl
ASK   = $(SHARED)/ask.jsonl
else
LEARN = $(DATA)
ASK   = $(TEST)
endif

all: $(OUT)/report.txt
	@cat $<

$(sort $(OUT) $(SHARED)):
	mkdir -p $@

$(eval $(call stamp,model,$(MODEL),$(SHARED)))
$(eval $(call stamp,stories,$(TRAIN_STORIES) $(TEST_STORIES) $(ASKED) \
	$(DATA) $(TEST),$(SHARED)))

$(SHARED)/base.st: $(SHARED)/model.settings
	@model='$(MODEL)'; \
	[ "$$model" ] || model=$$(sh $(HERE)/model.sh $(SHARED)); \
	$(BIN)/st-import -o $@ "$$model"

stories = awk -v seed=$(1) -v n=$(2) -f $(HERE)/questions.awk
$(SHARED)/learn.jsonl: $(DATA) $(SHARED)/stories.settings
	$(if $(DATA),cat $(DATA),$(call stories,1,$(TRAIN_STORIES))) | \
		awk -f $(HERE)/squad.awk > $@
$(SHARED)/ask.jsonl: $(TEST) $(SHARED)/stories.settings
	$(if $(TEST),cat $(TEST),$(call stories,2,$(TEST_STORIES))) | \
		awk -v most=$(ASKED) -f $(HERE)/squad.awk > $@

# $(call measure,STREAMS): the answers; perplexity of the text; speed and memory;
# the bits of the first stream's weights. $(call row,STATE,DIR): these as a line
# of results.tsv.
comma   = ,
PROMPTS = $(if $(TEMPLATE),--template $(TEMPLATE))
TOLD    = $(basename $@)
measure = $(BIN)/eval -t loss$(if $(TASK),$(comma)$(TASK)) -d $(ASK) \
		$(PROMPTS) --log-samples $(TOLD).answers -o $@ $(1); \
	$(if $(TEXT),$(BIN)/eval -t ppl --length 512 -d $(TEXT) \
		-o $(TOLD).text.json $(1);) \
	$(if $(BENCH),$(BIN)/eval --bench -o $(TOLD).bench.json $(1);) \
	$(BIN)/st-ls --json $(firstword $(1)) > $(TOLD).ls.json
row     = awk -v state=$(1) -f $(HERE)/row.awk $(2)/$(1).json \
	$(if $(TEXT),$(2)/$(1).text.json) $(if $(BENCH),$(2)/$(1).bench.json) \
	$(2)/$(1).ls.json

MEASURED_ON = $(ASK) $(TASK) $(TEXT)
$(SHARED)/base.json: $(SHARED)/base.st $(MEASURED_ON)
	$(call measure,$<)
$(OUT)/%.json: $(OUT)/%.st $(MEASURED_ON)
	$(call measure,$<)

.PHONY: all FORCE
