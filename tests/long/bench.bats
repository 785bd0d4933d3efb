#!/usr/bin/env bats
# bench.bats - the bench of the methods has a row of numbers for each; on a tiny
# model, where the numbers mean nothing
bats_require_minimum_version 1.5.0

load ../cli/model.sh

@test "make bench ONLY=methods has a row for every method" {
	T=$BATS_TEST_TMPDIR
	byte_model "$T/model"
	mkdir "$T/o"
	ln -s "$BIN" "$T/o/bin"
	O=$T/o STEPS=3 VOCAB=256 WEFT_MODEL=$T/model bash tests/bench/run.sh \
		methods > "$T/table"
	cat "$T/table"
	for row in lora lora+ dora lora_bias adalora iec prompt prefix 8-bit \
		SGD icq 'qalora, int4' pissa olora loftq recipe \
		'embedding trained whole' 'a new token'; do
		grep -q "^$row[ ,].* [0-9.]* *[0-9.]* *[0-9.]* *[0-9]*$" \
			"$T/table"
	done
	# What does not run says so, and so does the status.
	run ! env O="$T/o" STEPS=3 VOCAB=900 WEFT_MODEL="$T/model" bash \
		tests/bench/run.sh methods
	[[ $output == *'lora '*peft-step:* ]]
}
