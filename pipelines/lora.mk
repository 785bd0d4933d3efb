# lora.mk - LoRA: low-rank updates beside the weights of a model that is not
# quantised, merged into them
#
#   make -f pipelines/lora.mk [OUT=lora] [MODEL=model.gguf] [DATA= TEST=] ...
#
# Hu et al. 2021, arXiv:2106.09685. They adapt q and v alone, with few ranks
# (MODULES=q_proj,v_proj); all linear layers is what later work found better.
NAME     = lora
MODULES ?= all-linear
QUANTISE =
METHOD   = --method lora --target-modules $(MODULES)
MERGE    =
include $(dir $(lastword $(MAKEFILE_LIST)))paper.mk
