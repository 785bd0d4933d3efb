#!/usr/bin/env bats
# plan.bats - a run takes the memory that --dry-run promises, however it begins
# and whatever it is given
bats_require_minimum_version 1.5.0

model=tests/golden/A/llama/model

setup_file() {
	export T=$BATS_FILE_TMPDIR
	"$BIN/st-import" -o "$T/base.st" "$model"
	"$BIN/quantize-nf4" -o "$T/nf4.st" "$T/base.st"
	jq -nc 'range(600) | {input_ids: [range(128)]}' > "$T/data.jsonl"
}

setup() {
	case $O in *-asan | *-tsan) skip "a sanitizer takes memory of its own" ;; esac
}

train() {
	"$BIN/peft-step" -q -j 2 -n 2 -g 1 -b 256 --length 128 "${data[@]}" \
		"$@"
}

planned() { # NAME ...
	awk -v names=" $* " 'index(names, " " $1 " ") { sum += $2 }
		END { printf "%.0f\n", sum }' "$T/plan"
}

data=(-d "$T/data.jsonl")

# The run's memory in each step, to what its plan and what the process has
# besides come to.
keeps() { # OPTION ...
	local most
	rm -f "$T/log"
	train --dry-run "$@" > "$T/plan"
	most=$(planned total libraries stacks)
	train --log "$T/log" --log-times -o "$T/out.st" "$@"
	jq -s --argjson most "$most" 'map(.memory_bytes // 0) | max / $most |
		., . > 0.95 and . < 1.05' "$T/log" | tee "$T/ratio"
	grep -qx true "$T/ratio"
}

@test "what the process has besides is told, and not in the total" {
	local sum
	train --dry-run -r 8 "$T/base.st" > "$T/plan"
	for name in libraries stacks mapped; do
		[ "$(planned "$name")" -gt 4000 ]
		[ "$(planned "$name")" -lt 20000000 ]
	done
	sum=$(planned weights adapter optimizer activations workspace data)
	[ "$sum" = "$(planned total)" ]
}

@test "in f32, in NF4" {
	keeps -r 8 "$T/base.st"
	[ "$(planned total)" -gt 200000000 ]
	keeps -r 8 "$T/nf4.st"
}

@test "in parts" {
	train --dry-run -r 8 -b 512 "$T/base.st" > "$T/plan"
	keeps -r 8 -b 512 -m $(($(planned total) * 6 / 10)) "$T/base.st"
	[ "$(planned tokens_at_once)" -lt 65536 ]
}

# Records of 2 to 128 tokens that label the last 1 to 12: the vocabulary is
# larger than all that a layer leaves of a token.
records() {
	jq -nc 'range(2400) | (. * 37 % 127 + 2) as $n | (. % 12 + 1) as $k |
		[range($n) | . * 2 % 256] as $id | { input_ids: $id, labels:
			[range($n) | if . < $n - $k then -100 else $id[.]
			end] }' > "$T/records.jsonl"
}

@test "where few tokens carry labels, and records are of any length" {
	records
	local data=(-d "$T/records.jsonl")
	keeps -r 8 -b 512 --no-pack "$T/base.st"
	keeps -r 8 -b 512 --no-pack --seed 7 --no-shuffle "$T/base.st"
	keeps -r 8 -b 256 "$T/base.st"
	train --dry-run -r 8 -b 512 "$T/base.st" > "$T/plan"
	keeps -r 8 -b 512 -m $(($(planned total) * 7 / 10)) "$T/base.st"
	[ "$(planned tokens_at_once)" -lt 32768 ]
}

@test "an evaluation is run in parts that are no larger" {
	records
	local all=$T/data.jsonl data=(-d "$T/records.jsonl")
	train --dry-run -r 8 --no-pack "$T/base.st" > "$T/plan"
	tokens=$(planned tokens_at_once)
	keeps -r 8 --no-pack --eval-data "$all" "$T/base.st"
	[ "$(planned tokens_at_once)" -eq "$tokens" ]
	[ "$tokens" -lt $((128 * 256)) ]
	jq -s '.[-1].eval_loss' "$T/log" > "$T/parts"
	train -r 8 --no-pack -b 1 -g 256 --eval-data "$all" --log "$T/log" \
		-o "$T/out.st" "$T/base.st"
	jq -s '.[-1].eval_loss' "$T/log" | cmp - "$T/parts"
	# A sequence that is longer than any batch is what counts.
	jq -nc '{input_ids: [range(20)]}' > "$T/short.jsonl"
	data=(-d "$T/short.jsonl" --eval-data "$all")
	train -r 8 -o "$T/out.st" "$T/base.st"
	train --dry-run -r 8 "$T/base.st" > "$T/plan"
	[ "$(planned tokens_at_once)" -eq 128 ]
	data=(-d "$T/short.jsonl" --eval-data "$T/records.jsonl")
	train -r 8 -o "$T/out.st" "$T/nf4.st"
	train -r 8 --page-memory 2M -o "$T/paged.st" "$T/nf4.st"
	cmp "$T/out.st" "$T/paged.st"
}

@test "with layers of the real model computed twice" {
	[ "${WEFT_MODEL-}" ] || skip "no WEFT_MODEL"
	"$BIN/quantize-nf4" -u -o "$T/real.st" "$WEFT_MODEL"
	jq -nc 'range(2) | {input_ids: [range(1, 513) * 90]}' > "$T/long.jsonl"
	local data=(-d "$T/long.jsonl")
	set -- -r 8 -n 1 -b 1 --length 512 --no-pack "$T/real.st"
	train --dry-run "$@" > "$T/plan"
	keeps -m $(($(planned total) / 2)) "$@"
	[ "$(planned recomputed)" -gt 0 ]
}

@test "from an adapter, and from a checkpoint" {
	train -r 8 -o "$T/done.st" "$T/base.st"
	keeps -A "$T/done.st" "$T/base.st"
	train -r 8 --stop-after 1 -o "$T/half.st" "$T/base.st"
	keeps -A "$T/half.st" "$T/base.st"
	keeps --resume "$T/half.st.ckpt" "$T/base.st"
}

@test "on a base in pages" {
	keeps -r 8 --page-memory 20M "$T/base.st"
	[ "$(planned page_capacity)" -gt 0 ]
}
