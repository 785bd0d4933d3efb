# large: the generator of bases for benchmarks (tests/bench/large.c)
bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	PATH=$BIN:$O/bench:$PATH
}

@test "a base is a function of its shape and seed" {
	large --shape tiny -j1 -o one.st
	large --shape tiny -j3 | cmp - one.st
	st-check one.st
	# Bytes that every machine gives.
	run st-ls one.st
	[[ "${lines[0]}" = *"base b6d10cc1b277467d86c19a209049fca9" ]]
	large --shape tiny --seed 43 > other.st
	run st-diff one.st other.st
	[ "$status" -eq 1 ]
	large --shape tiny --layers 1 --dtype f16 -o half.st
	[ "$(st-ls half.st | grep -c '^[a-z]* *f16')" -eq 12 ]
}

@test "quantised, it trains: the loss begins near ln 256, and falls" {
	large --shape tiny | quantize-nf4 -o base.st
	awk 'BEGIN { srand(1); s = "1"
		for (i = 0; i < 63; i++) s = s ", " int(rand() * 256)
		for (i = 0; i < 3; i++)
			print "{\"input_ids\": [" s "], \"labels\": [" s "]}" }' \
		> data.jsonl
	peft-step -q -r 8 -b 1 -g 1 --no-pack --no-shuffle -n 3 --log log \
		--lr-scheduler constant -d data.jsonl base.st -o adapter.st
	jq -s -e 'map(.loss | numbers) | length == 3 and .[0] > 5 and
		.[0] < 7 and .[2] < .[0]' log
}

@test "what it cannot write is refused" {
	run -64 large --shape 8b
	run -64 large base.st
	run -73 large --shape tiny -o no/such/folder
}
