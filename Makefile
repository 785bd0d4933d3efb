# make            all programs, in $(O)/bin
# make check      every test that needs nothing but Debian's packages
# make demo       fine-tunes a small model, from nothing to an answer
# make install    PREFIX=/usr/local DESTDIR=
# make help       the other targets
O       = build
CFLAGS  = -O2 -g
PREFIX  = /usr/local
VERSION = 0.1.0

WARN    = -Wall -Wextra -Wshadow -Wvla -Wpointer-arith -Wwrite-strings \
	  -Wstrict-prototypes -Wmissing-prototypes \
	  -Wno-missing-field-initializers
HARDEN  = -fstack-protector-strong -D_FORTIFY_SOURCE=2
ALL     = -std=c11 -D_POSIX_C_SOURCE=200809L -ffp-contract=off \
	  $(INC) -Ilibcommon -I. -I$(O)/gen -DVERSION='"$(VERSION)"' \
	  $(WARN) -MMD -MP $(CPPFLAGS) $(HARDEN) $(CFLAGS)
LIBS    = -lzstd -lmsgpackc -ljansson -lxxhash -lpcre2-8 -lutf8proc -luv \
	  -Wl,--as-needed -lopenblas -Wl,--no-as-needed \
	  -lm -pthread

# CUDA's runtime, where there is one to link with; CUDA= builds without. It is
# linked statically and finds the driver by itself, or finds none.
CUDA_HOME = /usr/local/cuda
CUDA   := $(if $(and $(wildcard $(CUDA_HOME)/include/cuda_runtime_api.h), \
	  $(wildcard $(CUDA_HOME)/lib64/libcudart_static.a)),1)
ifneq ($(CUDA),)
ALL    += -DWITH_CUDA -idirafter $(CUDA_HOME)/include
LIBS   += $(CUDA_HOME)/lib64/libcudart_static.a -ldl -lrt
endif

VARIANT = $(if $(findstring x86_64,$(shell $(CC) -dumpmachine)),,%_avx2.c %_avx512.c %_avx512bf16.c) \
	  $(if $(CUDA),,%_cuda.c)
SRC     = $(filter-out $(VARIANT),$(wildcard libcommon/*/*.c formats/*.c))
GEN     = $(O)/gen/builtin_families.c $(O)/gen/builtin_templates.c
LIB     = $(patsubst %.c,$(O)/%.o,$(SRC)) $(GEN:.c=.o)
TOOL    = $(patsubst tools/%.c,$(O)/bin/%,$(wildcard tools/*.c))
UNIT    = $(patsubst tests/unit/%.c,$(O)/unit/%,$(wildcard tests/unit/*.c))
BENCH   = $(patsubst tests/bench/%.c,$(O)/bench/%,$(wildcard tests/bench/*.c))
FUZZ    = $(patsubst tests/fuzz/%.c,$(O)/fuzz/%,$(wildcard tests/fuzz/*.c))
MAN     = $(patsubst tools/%.c,$(O)/man/%.1,$(wildcard tools/*.c))

all: $(TOOL) $(O)/bin/weft-eval

# A line for each file; V=1: the commands. As many jobs as processors, unless
# the caller has said -j.
Q       = $(if $(V),,@)
say     = $(if $(V)$(findstring s,$(firstword -$(MAKEFLAGS))),,$(info $(1) $@))
JOBS    = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

# The last word of a file's name picks the instructions it may use.
ISA_avx2       = -mavx2 -mfma -mf16c
ISA_avx512     = $(ISA_avx2) -mavx512f -mavx512bw -mavx512vl -mavx512dq
ISA_avx512bf16 = $(ISA_avx512) -mavx512bf16
isa            = $(ISA_$(lastword $(subst _, ,$(notdir $(basename $(1))))))
# Inner loops are worth more of the compiler's time than the rest, and are as
# fast wherever the linker puts them: Skylake and its kin decode a jump across 32
# bytes anew each time (Intel, "Jump Conditional Code Erratum", 2019). gcc tells
# its assembler, clang has an option.
COMMA         := ,
takes          = $(shell echo | $(CC) $(1) -c -x c - -o /dev/null 2> /dev/null \
	&& echo $(1))
JUMPS         := $(or $(call takes,-mbranches-within-32B-boundaries),$(call \
	takes,-Wa$(COMMA)-mbranches-within-32B-boundaries))
KERNEL         = -O3 -falign-functions=64 $(JUMPS)
opt            = $(if $(findstring libcommon/kernel/,$(1)),$(KERNEL))
ifdef EMU512
INC            = -Itests/emu512 -DEMU512 -Wno-psabi
ISA_avx512     = $(ISA_avx2)
ISA_avx512bf16 = $(ISA_avx2)
endif

$(O)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)$(Q)$(CC) $(ALL) $(call opt,$<) $(call isa,$<) -c -o $@ $<

# One test has a stand-in of CUDA's runtime.
$(O)/tests/unit/device_cuda.o: INC += -Itests/fake_cuda

$(O)/gen/%.o: $(O)/gen/%.c
	$(call say,CC)$(Q)$(CC) $(ALL) -c -o $@ $<

# Families and chat templates are data; the build embeds them as text.
$(O)/gen/builtin_families.c: $(wildcard formats/families/*.arch)
	@mkdir -p $(@D)
	$(Q)sh formats/embed.sh family formats/families/*.arch > $@
$(O)/gen/builtin_templates.c: $(wildcard formats/templates/*.chat)
	@mkdir -p $(@D)
	$(Q)sh formats/embed.sh template formats/templates/*.chat > $@

# ar knows its members by name alone, so the archive is made anew.
$(O)/lib.a: $(LIB)
	$(call say,AR)$(Q)rm -f $@ && $(AR) rcs $@ $^

$(O)/bin/%: $(O)/tools/%.o $(O)/lib.a
	@mkdir -p $(@D)
	$(call say,LD)$(Q)$(CC) $(CFLAGS) -o $@ $< $(O)/lib.a $(LDLIBS) $(LIBS)

$(O)/unit/%: $(O)/tests/unit/%.o $(O)/lib.a
	@mkdir -p $(@D)
	$(call say,LD)$(Q)$(CC) $(CFLAGS) -o $@ $< $(O)/lib.a $(LDLIBS) -lcmocka $(LIBS)

$(O)/bench/%: $(O)/tests/bench/%.o $(O)/lib.a
	@mkdir -p $(@D)
	$(call say,LD)$(Q)$(CC) $(CFLAGS) -o $@ $< $(O)/lib.a $(LDLIBS) $(LIBS)

$(O)/fuzz/%: $(O)/tests/fuzz/%.o $(O)/lib.a
	@mkdir -p $(@D)
	$(call say,LD)$(Q)$(CC) $(CFLAGS) $(FUZZ_LINK) -o $@ $< $(O)/lib.a $(LDLIBS) $(LIBS)

# eval by a name that no shell has for itself.
$(O)/bin/weft-eval: $(O)/bin/eval
	@ln -sf eval $@

$(O)/man/%.1: $(O)/bin/%
	@mkdir -p $(@D)
	$(Q)$< --man > $@

# The generator of large bases is tested too.
tests: all $(UNIT) $(FUZZ) $(O)/bench/large
man: $(MAN)

deps:
	@sh pipelines/deps.sh build
deps-check:
	@sh pipelines/deps.sh build check

check: deps-check
	@$(MAKE) --no-print-directory $(JOBS) tests
	@O=$(O) bash tests/run.sh
# What takes long: whole matrices of cases, fuzzing, sanitizers.
check-long: deps-check
	@$(MAKE) --no-print-directory $(JOBS) tests
	@grep -q avx512f /proc/cpuinfo || \
		$(MAKE) --no-print-directory check-emu
	@O=$(O) bash tests/run.sh long
# docs/parity.md, from what the golden tests find.
parity: tests
	@O=$(O) bash tests/parity.sh
# Against the packages that we want to agree with; PYTHON is one that has them.
PYTHON ?= python3
check-peers: all $(O)/unit/jinja
	@O=$(O) PYTHON=$(PYTHON) bash tests/peers/run.sh
check-asan:
	@$(MAKE) --no-print-directory O=$(O)-asan CC=$(CC) \
		CFLAGS='-O1 -g -fsanitize=address,undefined \
		-fno-sanitize-recover=undefined' HARDEN= tests
	@O=$(O)-asan LIMIT=7200 ASAN_OPTIONS=allocator_may_return_null=1 \
		bash tests/run.sh
check-valgrind: tests
	@O=$(O) bash tests/valgrind.sh
# AVX-512 kernels by emulation, for machines without it.
EMU_TESTS = attention attention_bits dots gemm gemm_bf16 nf4 same_bits weight
check-emu:
	@$(MAKE) --no-print-directory O=$(O)-emu EMU512=1 \
		$(EMU_TESTS:%=$(O)-emu/unit/%)
	@for t in $(EMU_TESTS); do $(O)-emu/unit/$$t || exit 1; done
check-tsan:
	@$(MAKE) --no-print-directory O=$(O)-tsan CC=$(CC) \
		CFLAGS='-O1 -g -fsanitize=thread' HARDEN= tests
	@O=$(O)-tsan LIMIT=7200 bash tests/run.sh

demo:
	@sh pipelines/deps.sh build demo
	@$(MAKE) --no-print-directory $(JOBS) all
	@$(MAKE) --no-print-directory -f pipelines/demo.mk \
		OUT=demo MODEL='$(MODEL)' BIN=$(O)/bin

bench: $(BENCH) all
	@O=$(O) bash tests/bench/run.sh $(ONLY)
bench-peers: $(BENCH) all
	@O=$(O) PYTHON=$(PYTHON) bash tests/bench/peers.sh
# Every paper's pipeline on one model; fills docs/methods-compared.md.
papers: all
	@O=$(O) MODEL='$(MODEL)' bash tests/bench/papers.sh
# Bases of 7B to 65B shape under a budget: disk, and an hour for the largest.
bench-large: $(BENCH) all
	@O=$(O) bash tests/bench/large.sh

# Coverage-guided fuzzing needs clang; make check replays the corpus. Kernels
# read no file, and take a quarter of an hour with sanitizers. For long runs from
# a grown corpus: half of the time goes without comparisons that are traced,
# COVER=-fsanitize-coverage=inline-8bit-counters,pc-table.
COVER = -fsanitize=fuzzer-no-link
fuzz:
	$(MAKE) O=$(O)-fuzz CC=clang HARDEN= KERNEL='-O1 -fno-sanitize=all' \
		CFLAGS='-O1 -g -DFUZZING -DJINJA_STEPS=20000 \
		$(COVER) -fsanitize=address,undefined \
		-fno-sanitize-recover=undefined' \
		FUZZ_LINK=-fsanitize=fuzzer fuzz-programs
fuzz-programs: $(FUZZ)
RUNS = 10000000
fuzz-run: fuzz
	O=$(O)-fuzz bash tests/fuzz/run.sh $(RUNS)

INSTALL = install
bindir  = $(DESTDIR)$(PREFIX)/bin
mandir  = $(DESTDIR)$(PREFIX)/share/man
datadir = $(DESTDIR)$(PREFIX)/share/weft
unitdir = $(DESTDIR)$(PREFIX)/lib/systemd/user
install: all man
	$(INSTALL) -d $(bindir) $(mandir)/man1 $(mandir)/man5 \
		$(datadir)/families $(datadir)/pipelines/data
	$(INSTALL) -m 755 $(TOOL) $(bindir)
	ln -sf eval $(bindir)/weft-eval
	$(INSTALL) -m 644 $(MAN) $(mandir)/man1
	ln -sf eval.1 $(mandir)/man1/weft-eval.1
	$(INSTALL) -m 644 docs/st.5 $(mandir)/man5
	$(INSTALL) -m 644 formats/families/*.arch $(datadir)/families
	$(INSTALL) -m 644 pipelines/*.mk pipelines/*.awk $(datadir)/pipelines
	$(INSTALL) -m 755 pipelines/*.sh $(datadir)/pipelines
	$(INSTALL) -d $(unitdir)
	sed 's|/usr/local/bin|$(PREFIX)/bin|' pipelines/page-agent.service \
		> $(unitdir)/page-agent.service
	$(INSTALL) -m 644 pipelines/data/* $(datadir)/pipelines/data
uninstall:
	rm -f $(addprefix $(bindir)/,$(notdir $(TOOL)) weft-eval) \
		$(addprefix $(mandir)/man1/,$(notdir $(MAN)) weft-eval.1) \
		$(mandir)/man5/st.5 $(unitdir)/page-agent.service
	rm -rf $(datadir)

help:
	@sed -n 's/^# make/make/p' Makefile
	@echo 'make check-long, check-peers, check-asan, check-emu, check-tsan,'
	@echo '     check-valgrind, parity, bench, bench-peers, bench-large,'
	@echo '     papers, fuzz,'
	@echo '     fuzz-run, man, uninstall, clean'

clean:
	rm -rf $(O)

.PHONY: all tests man deps deps-check check check-long check-peers check-asan \
	check-emu check-tsan check-valgrind parity demo bench bench-peers \
	bench-large papers fuzz fuzz-programs fuzz-run install uninstall \
	help clean
.SECONDARY:
.DELETE_ON_ERROR:
-include $(shell find $(O) -name '*.d' 2>/dev/null)
