#!/usr/bin/env bats
# tokenize.bats - as much data as users have: memory, and how long it takes

load ../cli/memory.sh

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	jq -c '.models[0] as $model | .variants[0].parts + {model: $model}' \
		"$BATS_TEST_DIRNAME/../golden/text/tokenizers.json" \
		> tokenizer.json
	case $O in *-asan | *-tsan) skip "a sanitizer takes memory of its own" ;;
	esac
}

@test "500 MB of records take the memory that 10 MB take" {
	few=$(peak 'records 10000000' "$BIN/tokenize" --base tokenizer.json \
		--length 512)
	many=$(peak 'records 500000000' "$BIN/tokenize" --base tokenizer.json \
		--length 512)
	echo "$few kB, then $many kB"
	[ "$many" -lt 100000 ]
	[ "$many" -lt $((few + 8192)) ]
}
