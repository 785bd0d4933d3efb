# prompt.mk - prompt tuning: virtual tokens before the text are all that is
# trained
#
#   make -f pipelines/prompt.mk [OUT=prompt] [TOKENS=20] [DATA= TEST=] ...
#
# Lester et al. 2021, arXiv:2104.08691. The prompt begins as the text SAYS. A
# few thousand numbers move a whole model, so the rate is high (theirs is 0.3,
# with Adafactor). No weight takes it: merge-adapter would make it tokens of the
# vocabulary, which each text then has to begin with.
NAME     = prompt
TOKENS  ?= 20
SAYS    ?= Answer the question about the story in as few words as possible.
RATE    ?= 3e-2
RANK     =
QUANTISE =
METHOD   = --method prompt --virtual-tokens $(TOKENS) \
	   --prompt-init-text "$(SAYS)"
MERGE    = no
include $(dir $(lastword $(MAKEFILE_LIST)))paper.mk
