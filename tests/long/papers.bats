#!/usr/bin/env bats
# papers.bats - make papers in short: every pipeline, and a page that has its
# tables and numbers; on SmolLM2 where WEFT_MODEL names it
bats_require_minimum_version 1.5.0

load ../cli/model.sh

setup() {
	export T=$BATS_TEST_TMPDIR
}

@test "make papers fills the page" {
	if [ -z "${WEFT_MODEL-}" ]; then
		byte_model "$T/model"
		export MODEL=$T/model TEMPLATE=$T/model/turns.jinja RANK=16
	fi
	printf 'before\n<!-- tables -->\nold\n<!-- end of tables -->\nafter\n' \
		> "$T/page"
	mkdir "$T/o"
	ln -s "$BIN" "$T/o/bin"
	O=$T/o PAGE=$T/page STEPS=10 ASKED=2 bash tests/bench/papers.sh
	[ "$(head -n 2 "$T/page")" = $'before\n<!-- tables -->' ]
	[ "$(tail -n 2 "$T/page")" = $'<!-- end of tables -->\nafter' ]
	! grep -x old "$T/page"
	for method in LoRA QLoRA AdaLoRA QA-LoRA ModuLoRA IR-QLoRA; do
		[ "$(grep -c "^| $method, " "$T/page")" -ge 4 ]
		[ "$(grep -c "^| $method | [0-9]" "$T/page")" -eq 1 ]
	done
	[ "$(grep -c '^| merged into' "$T/page")" -eq 2 ]
	# No cell is empty, but those of a header.
	! grep -q '|  *|  *[0-9]' "$T/page"
	# Nothing is done again.
	O=$T/o PAGE=$T/page STEPS=10 ASKED=2 bash tests/bench/papers.sh \
		2> "$T/said" > "$T/again"
	! grep -q 'tokens/s' "$T/said"
}
