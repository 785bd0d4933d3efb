#!/usr/bin/env bats
# papers.bats - make papers in short: every pipeline of a tiny model, and one of
# SmolLM2 where WEFT_MODEL names it; a page that has its tables and numbers
bats_require_minimum_version 1.5.0

load ../cli/model.sh

setup() {
	export T=$BATS_TEST_TMPDIR PAGE=$BATS_TEST_TMPDIR/page
	printf 'before\n<!-- tables -->\nold\n<!-- end of tables -->\nafter\n' \
		> "$PAGE"
	mkdir "$T/o"
	ln -s "$BIN" "$T/o/bin"
}

papers() { # STEPS ASKED
	O=$T/o STEPS=$1 ASKED=$2 bash tests/bench/papers.sh
}

# It is the tables that changed, and no cell is empty but those of a header.
page_is_whole() {
	[ "$(head -n 2 "$PAGE")" = $'before\n<!-- tables -->' ]
	[ "$(tail -n 2 "$PAGE")" = $'<!-- end of tables -->\nafter' ]
	! grep -x old "$PAGE"
	! grep -q '|  *|  *[0-9]' "$PAGE"
}

@test "make papers fills the page" {
	byte_model "$T/model"
	export MODEL=$T/model TEMPLATE=$T/model/turns.jinja RANK=16
	papers 10 2
	page_is_whole
	for method in LoRA QLoRA AdaLoRA QA-LoRA ModuLoRA IR-QLoRA; do
		[ "$(grep -c "^| $method, " "$PAGE")" -ge 4 ]
		[ "$(grep -c "^| $method | [0-9]" "$PAGE")" -eq 1 ]
	done
	[ "$(grep -c '^| merged into' "$PAGE")" -eq 2 ]
	grep -q '^### Guanaco' "$PAGE"
	# Nothing is done again.
	papers 10 2 2> "$T/said" > "$T/again"
	! grep -q 'tokens/s' "$T/said"
}

@test "make papers, some of them, on the real model" {
	[ -n "${WEFT_MODEL-}" ] || skip "WEFT_MODEL is not set"
	PAPERS='qalora' BENCH='' papers 4 1
	page_is_whole
	[ "$(grep -c '^| QA-LoRA, ' "$PAGE")" -eq 3 ]
	# 4 bits, with scales and zeros of groups of 32; merged, too
	[ "$(grep '^| QA-LoRA, ' "$PAGE" | cut -d'|' -f 3 | sort -u)" = ' 6.00 ' ]
	! grep -q 'Guanaco\|Where to merge\|Reading' "$PAGE"
}
