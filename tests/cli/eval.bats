#!/usr/bin/env bats
# eval.bats - eval and generate on a command line
bats_require_minimum_version 1.5.0
load refuses.sh

golden=tests/golden
model=$golden/A/llama/model
data=$golden/B/data/data.jsonl

setup_file() {
	export T=$BATS_FILE_TMPDIR
	"$BIN/st-import" -o "$T/base.st" "$model"
	"$BIN/tokenize" -o "$T/data.st" "$data"
	"$BIN/eval" -d "$data" -o "$T/want.json" "$T/base.st"
}

@test "loss is a mean over label tokens, with ppl and tokens" {
	jq -e 'keys == ["loss", "ppl", "tokens"] and
		(.loss | exp) - .ppl < 1e-6 * .ppl' "$T/want.json"
	[ "$(jq .tokens "$T/want.json")" -eq "$(jq -s 'map(.labels[1:] |
		map(select(. != -100)) | length) | add' "$data")" ]
	"$BIN/eval" -d "$data" --per-token "$T/per" "$T/base.st" > "$T/got"
	cmp "$T/got" "$T/want.json"
	jq -s --slurpfile w "$T/want.json" '(flatten | length) ==
		$w[0].tokens and ((flatten | add / length) - $w[0].loss | fabs)
		< 1e-9' "$T/per" | grep -x true
	[ "$(wc -l < "$T/per")" -eq "$(wc -l < "$data")" ]
}

@test "data comes as a file, a data stream, on the input, through a FIFO" {
	"$BIN/eval" -d "$T/data.st" "$T/base.st" | cmp - "$T/want.json"
	"$BIN/eval" -t loss "$T/base.st" "$T/data.st" | cmp - "$T/want.json"
	cat "$T/base.st" "$T/data.st" | "$BIN/eval" | cmp - "$T/want.json"
	"$BIN/eval" -d - "$T/base.st" < "$data" | cmp - "$T/want.json"
	mkfifo "$T/fifo"
	cat "$data" > "$T/fifo" &
	"$BIN/eval" -d "$T/fifo" "$T/base.st" | cmp - "$T/want.json"
	refuses 65 'no data' eval "$T/base.st"
}

@test "--require is status 0 or 1" {
	for r in 'loss<=10' 'loss>1' 'ppl>=1' 'tokens<1e6'; do
		"$BIN/eval" -d "$data" --require "$r" "$T/base.st"
	done
	refuses 1 'loss<1 does not hold' eval -d "$data" --require 'loss>1' \
		--require 'loss<1' "$T/base.st"
	[ "$output" = "$(cat "$T/want.json")" ]
	refuses 1 'there is no acc' eval -d "$data" --require 'acc<1' \
		"$T/base.st"
	for r in 'loss=3' 'loss<=x' '<3'; do
		refuses 64 "$r" eval -d "$data" --require "$r" "$T/base.st"
	done
}

@test "no task and no data is left out in silence" {
	refuses 64 'no task' eval -t loss,nothing -d "$data" "$T/base.st"
	refuses 64 'no task' eval -t '' -d "$data" "$T/base.st"
	refuses 64 'loss after loss' eval -t loss,loss -d "$data" "$T/base.st"
	refuses 64 'ppl after loss' eval -t loss -t ppl -d "$data" "$T/base.st"
	refuses 64 '2 files for 1 task' eval -d "$data" -d "$data" "$T/base.st"
}

@test "names may be joined by commas" {
	refuses 65 'tokenizer' eval -t loss,mc -d "$data" "$T/base.st"
}

@test "--bench tells speeds and memory, alone or beside a task" {
	"$BIN/eval" --bench "$T/base.st" > "$T/got"
	jq -e '.bench | keys == ["decode_cpu_seconds", "decode_per_second",
		"decode_per_second_median", "decode_tokens", "memory_bytes",
		"prompt_cpu_seconds", "prompt_per_second",
		"prompt_per_second_median", "prompt_tokens", "threads",
		"weight_bytes"] and all(.[]; . > 0 and . < 1e18)' "$T/got"
	[ "$(jq -c keys "$T/got")" = '["bench"]' ]
	# An adapter counts too; and nothing that is measured changes.
	"$BIN/peft-step" -q -n 1 -r 4 -d "$data" -o "$T/a.st" "$T/base.st"
	"$BIN/eval" --bench -j1 "$T/base.st" "$T/a.st" > "$T/tuned"
	jq -e --slurpfile b "$T/got" '.bench.threads == 1 and
		.bench.weight_bytes > $b[0].bench.weight_bytes' "$T/tuned"
	"$BIN/eval" --bench -d "$data" --require 'loss<100' "$T/base.st" |
		jq -e --slurpfile w "$T/want.json" 'del(.bench) == $w[0]'
	"$BIN/eval" --bench "$T/base.st" "$T/data.st" |
		jq -e --slurpfile w "$T/want.json" 'del(.bench) == $w[0]'
	refuses 71 'the least plan takes' eval --bench -m 100k "$T/base.st"
}

@test "-m bounds the plan, and names it" {
	refuses 71 'the least plan takes' eval -m 100k -d "$data" "$T/base.st"
	"$BIN/eval" -m 100M -d "$data" "$T/base.st" | cmp - "$T/want.json"
}

@test "generate refuses what it cannot draw from" {
	refuses 64 'prompt' generate "$T/base.st"
	refuses 64 'temperature' generate -p x --temperature -1 "$T/base.st"
	refuses 64 'top-p' generate -p x --top-p 2 "$T/base.st"
	refuses 64 'penalty' generate -p x --repetition-penalty 0 "$T/base.st"
	refuses 64 '--chat' generate -p x --system y "$T/base.st"
	refuses 65 'tokenizer' generate -p x "$T/base.st"
}

@test "generate draws the same on any threads, by any kernels" {
	[ -f "${WEFT_MODEL-/none}" ] || skip 'generate needs WEFT_MODEL'
	"$BIN/st-import" "$WEFT_MODEL" | "$BIN/quantize-nf4" -o "$T/real.st"
	for base in "$WEFT_MODEL" "$T/real.st"; do
		draw() {
			"$BIN/generate" -n 12 --ids --temperature 1 \
				-p 'The sea is' "$@" "$base"
		}
		draw -j 2 > "$T/two"
		[ "$(wc -w < "$T/two")" -eq 12 ]
		draw -j 1 | cmp - "$T/two"
		KERNELS=avx2 draw -j 2 | cmp - "$T/two"
	done
}
