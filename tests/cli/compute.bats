#!/usr/bin/env bats
# compute.bats - --compute bf16 of peft-step, eval and generate
bats_require_minimum_version 1.5.0

golden=tests/golden
model=$golden/A/llama/model
data=$golden/B/data/data.jsonl

setup_file() {
	export T=$BATS_FILE_TMPDIR
	"$BIN/st-import" -o "$T/base.st" "$model"
	"$BIN/quantize-nf4" -o "$T/nf4.st" "$T/base.st"
	for base in base nf4; do
		"$BIN/peft-step" -q -r 2 -d "$data" -n 3 -g 1 -b 3 \
			--compute bf16 -o "$T/$base.want" "$T/$base.st"
	done
}

step() {
	"$BIN/peft-step" -q -d "$data" "$@"
}

provenance() { # STREAM: peft-step's record
	"$BIN/st-ls" "$1" | grep '^prov.*peft-step'
}

@test "a training in bf16 stays near PEFT's in f32" {
	local dir=$golden/B/lora_clip_wd_cosine
	step -A "$dir/init" --log "$T/log" --no-pack --no-shuffle -b 2 -g 1 \
		-n 30 --lr 4e-3 --lr-scheduler-type cosine --warmup_steps 4 \
		--weight-decay 0.1 --max-grad-norm 0.3 --compute bf16 \
		"$model" -o "$T/a.st"
	jq -s --slurpfile want "$dir/case.json" '
		[[map(.loss), $want[0].loss] | transpose | .[] |
			(.[0] - .[1] | fabs) / .[1]] |
		length == 30 and max < 2e-3 and max > 1e-6' "$T/log" |
		grep -x true
}

@test "threads, levels and memory do not change a byte" {
	for base in base nf4; do
		for how in '-j 1' '-j 2' '-j 3'; do
			# shellcheck disable=SC2086
			step -r 2 -n 3 -g 1 -b 3 --compute bf16 $how \
				-o "$T/a.st" "$T/$base.st"
			cmp "$T/a.st" "$T/$base.want"
		done
		for level in c avx2 avx512; do
			KERNELS=$level step -r 2 -n 3 -g 1 -b 3 \
				--compute bf16 -o "$T/a.st" "$T/$base.st"
			cmp "$T/a.st" "$T/$base.want"
		done
	done
	step -r 2 -n 3 -g 1 -b 3 --compute bf16 -m 4300K -o "$T/a.st" \
		"$T/base.st"
	cmp "$T/a.st" "$T/base.want"
}

@test "the provenance tells, and a run goes on as it began" {
	provenance "$T/base.want" | grep -q '"compute": "bf16"'
	step -r 2 -n 3 -g 1 -b 3 -o "$T/f32.st" "$T/base.st"
	provenance "$T/f32.st" | grep -q '"compute": "f32"'
	! "$BIN/st-diff" -q "$T/f32.st" "$T/base.want"
	step -r 2 -n 3 -g 1 -b 3 --compute bf16 --stop-after 2 \
		-o "$T/half.st" "$T/base.st"
	run --separate-stderr -78 "$BIN/peft-step" --compute f32 -d "$data" \
		-A "$T/half.st" "$T/base.st"
	[[ $stderr == *--compute* ]]
	step -A "$T/half.st" -o "$T/a.st" "$T/base.st"
	cmp "$T/a.st" "$T/base.want"
}

@test "eval and generate: near f32, and the same on any threads" {
	"$BIN/eval" -d "$data" -o "$T/f32" "$T/nf4.st" "$T/nf4.want"
	"$BIN/eval" -d "$data" -o "$T/bf16" --compute bf16 "$T/nf4.st" \
		"$T/nf4.want"
	jq -s '.[0].loss - .[1].loss | fabs | . > 1e-7 and . < 5e-3' \
		"$T/f32" "$T/bf16" | grep -x true
	"$BIN/eval" -j 1 -d "$data" --compute bf16 "$T/nf4.st" "$T/nf4.want" |
		cmp - "$T/bf16"
	[ -f "${WEFT_MODEL-/none}" ] || skip 'generate needs WEFT_MODEL'
	"$BIN/generate" -j 2 -n 8 --ids --compute bf16 -p 'The sea is' \
		"$WEFT_MODEL" > "$T/two"
	KERNELS=avx2 "$BIN/generate" -j 1 -n 8 --ids --compute bf16 \
		-p 'The sea is' "$WEFT_MODEL" | cmp - "$T/two"
	[ "$(wc -w < "$T/two")" -eq 8 ]
}

@test "the real model's loss in bf16 is near its loss in f32" {
	[ -f "${WEFT_MODEL-/none}" ] || skip 'WEFT_MODEL is not set'
	head -n 4 pipelines/data/weft-test.jsonl > "$T/some.jsonl"
	for how in f32 bf16; do
		"$BIN/eval" -d "$T/some.jsonl" --compute $how -o "$T/$how" \
			"$WEFT_MODEL"
	done
	cat "$T/f32" "$T/bf16"
	jq -s '(.[0].loss - .[1].loss | fabs) / .[0].loss | . > 1e-6 and
		. < 5e-3' "$T/f32" "$T/bf16" | grep -x true
}
