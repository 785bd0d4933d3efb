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
LIBS    = -lzstd -lmsgpackc -ljansson -lxxhash -lpcre2-8 -lutf8proc \
	  -lm -pthread

VARIANT = $(if $(findstring x86_64,$(shell $(CC) -dumpmachine)),,%_avx2.c)
SRC     = $(filter-out $(VARIANT),$(wildcard libcommon/*/*.c formats/*.c))
GEN     = $(O)/gen/builtin_families.c $(O)/gen/builtin_templates.c
LIB     = $(patsubst %.c,$(O)/%.o,$(SRC)) $(GEN:.c=.o)
TOOL    = $(patsubst tools/%.c,$(O)/bin/%,$(wildcard tools/*.c))
UNIT    = $(patsubst tests/unit/%.c,$(O)/unit/%,$(wildcard tests/unit/*.c))
BENCH   = $(patsubst tests/bench/%.c,$(O)/bench/%,$(wildcard tests/bench/*.c))
FUZZ    = $(patsubst tests/fuzz/%.c,$(O)/fuzz/%,$(wildcard tests/fuzz/*.c))
MAN     = $(patsubst tools/%.c,$(O)/man/%.1,$(wildcard tools/*.c))

all: $(TOOL)

# The last word of a file's name picks the instructions it may use.
ISA_avx2       = -mavx2 -mfma -mf16c
ISA_avx512     = $(ISA_avx2) -mavx512f -mavx512bw -mavx512vl -mavx512dq
ISA_avx512bf16 = $(ISA_avx512) -mavx512bf16
isa            = $(ISA_$(lastword $(subst _, ,$(notdir $(basename $(1))))))
# Inner loops are worth more of the compiler's time than the rest.
opt            = $(if $(findstring libcommon/kernel/,$(1)),-O3)
ifdef EMU512
INC            = -Itests/emu512 -DEMU512 -Wno-psabi
ISA_avx512     = $(ISA_avx2)
ISA_avx512bf16 = $(ISA_avx2)
endif

$(O)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL) $(call opt,$<) $(call isa,$<) -c -o $@ $<

$(O)/gen/%.o: $(O)/gen/%.c
	$(CC) $(ALL) -c -o $@ $<

# Families and chat templates are data; the build embeds them as text.
$(O)/gen/builtin_families.c: $(wildcard formats/families/*.arch)
	@mkdir -p $(@D)
	sh formats/embed.sh family formats/families/*.arch > $@
$(O)/gen/builtin_templates.c: $(wildcard formats/templates/*.chat)
	@mkdir -p $(@D)
	sh formats/embed.sh template formats/templates/*.chat > $@

# ar knows its members by name alone, so the archive is made anew.
$(O)/lib.a: $(LIB)
	rm -f $@ && $(AR) rcs $@ $^

$(O)/bin/%: $(O)/tools/%.o $(O)/lib.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $< $(O)/lib.a $(LDLIBS) $(LIBS)

$(O)/unit/%: $(O)/tests/unit/%.o $(O)/lib.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $< $(O)/lib.a $(LDLIBS) -lcmocka $(LIBS)

$(O)/bench/%: $(O)/tests/bench/%.o $(O)/lib.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $< $(O)/lib.a $(LDLIBS) $(LIBS)

$(O)/fuzz/%: $(O)/tests/fuzz/%.o $(O)/lib.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $< $(O)/lib.a $(LDLIBS) $(LIBS)

$(O)/man/%.1: $(O)/bin/%
	@mkdir -p $(@D)
	$< --man > $@

tests: $(TOOL) $(UNIT)
man: $(MAN)

deps:
	@sh pipelines/deps.sh build
deps-check:
	@sh pipelines/deps.sh build check

check: deps-check
	@$(MAKE) --no-print-directory tests
	@O=$(O) bash tests/run.sh

clean:
	rm -rf $(O)

.PHONY: all tests man deps deps-check check clean
.SECONDARY:
.DELETE_ON_ERROR:
-include $(shell find $(O) -name '*.d' 2>/dev/null)
