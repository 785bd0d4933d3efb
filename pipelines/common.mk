# common.mk - what every pipeline starts from: programs, a strict shell, and
# rules whose half-made targets do not stay
HERE  := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
ROOT  ?= $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST))))..)
BIN   ?= $(if $(wildcard $(ROOT)/build/bin/peft-step),$(ROOT)/build/bin,$(patsubst %/,%,$(dir $(shell command -v peft-step))))
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules

# $(call stamp,NAME,TEXT,DIR): a file in DIR (OUT) that changes only when TEXT
# does, so that a change of settings, and nothing else, runs a stage again.
define stamp
$(or $(3),$(OUT))/$(1).settings: FORCE | $(or $(3),$(OUT))
	@printf '%s\n' '$(2)' | cmp -s - $$@ || printf '%s\n' '$(2)' > $$@
endef
FORCE:
