# paper.mk - what the pipelines of the papers share: a model is quantised,
# fine-tuned and merged with proof, and measured before and after each
#
# A pipeline sets NAME, QUANTISE (a filter, base in, base out; none: the model
# is trained on as it is), METHOD (options of peft-step) and MERGE (options of
# merge-adapter; no: the method has none), and includes this. What it can be
# told:
#
#   OUT=dir      all that it writes; a second run does what is not done yet,
#                and a training that was stopped goes on
#   MODEL=path   GGUF file or Hugging Face directory; none:
#                SmolLM2-135M-Instruct
#   DATA=file TEST=file
#                questions to learn from and to be asked, as SQuAD's JSON or as
#                JSON lines with context, question, answers; none: invented
#                stories, TRAIN_STORIES and TEST_STORIES of them
#   ASKED=n      questions that are asked at most
#   TASK=file    how they are asked; empty: not at all, then DATA and TEST are
#                anything that tokenize reads, and measured is the loss
#   TEXT=file    a text to measure perplexity on; none: it is not measured
#   BENCH=       do not measure speed and memory
#   TEMPLATE=x   chat template, for a model that has none
#   RANK RATE EPOCHS STEPS
#                of the training; STEPS instead of EPOCHS
#   STEP_MORE    more options for peft-step that do not count as a change
#   SHARED=dir   for what depends on no method; several pipelines may share it
include $(dir $(lastword $(MAKEFILE_LIST)))measure.mk

RANK   ?= 8
RATE   ?= 2e-3
EPOCHS ?= 2
STEPS  ?=
ROWS   ?= -b 1 -g 1 --length 512
LONG    = $(if $(STEPS),-n $(STEPS),--epochs $(EPOCHS))
FROZEN  = $(if $(QUANTISE),$(OUT)/quantised.st,$(SHARED)/base.st)
STATES  = $(if $(QUANTISE),quantised) tuned $(if $(filter no,$(MERGE)),,merged)

$(eval $(call stamp,quantise,$(QUANTISE)))
$(eval $(call stamp,train,$(METHOD) r=$(RANK) lr=$(RATE) $(LONG) $(ROWS)))
$(eval $(call stamp,merge,$(MERGE)))

$(OUT)/quantised.st: $(SHARED)/base.st $(LEARN) $(OUT)/quantise.settings
	$(QUANTISE) < $< > $@

$(OUT)/adapter.st: $(FROZEN) $(LEARN) $(OUT)/train.settings
	$(BIN)/peft-step $(METHOD) $(if $(RANK),-r $(RANK)) \
		--learning-rate $(RATE) $(LONG) $(ROWS) \
		--log $(OUT)/train.log --log-times \
		--checkpoint-every 20 --resume $@.ckpt $(STEP_MORE) \
		$(PROMPTS) -d $(LEARN) -o $@ $<

$(OUT)/merged.st: $(FROZEN) $(OUT)/adapter.st $(OUT)/merge.settings
	$(BIN)/merge-adapter $(MERGE) --verify 64 -o $@ $(wordlist 1,2,$^) \
		2> $(OUT)/verify.txt || { cat $(OUT)/verify.txt; exit 1; }

$(OUT)/tuned.json: $(FROZEN) $(OUT)/adapter.st $(MEASURED_ON)
	$(call measure,$(wordlist 1,2,$^))

$(OUT)/results.tsv: $(SHARED)/base.json $(STATES:%=$(OUT)/%.json)
	@{ $(call row,base,$(SHARED)); \
	$(foreach s,$(STATES),$(call row,$(s),$(OUT));) } > $@

$(OUT)/report.txt: $(OUT)/results.tsv
	@awk -f $(HERE)/report.awk $< $(OUT)/train.log > $@
	@cat $(wildcard $(OUT)/verify.txt) /dev/null >> $@
	@$(REPORT_MORE)
