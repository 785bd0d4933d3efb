#!/bin/bash
# step.sh - whole training steps of the real model: tokens a second, memory
#
# 4 sequences of 256 tokens a step, LoRA r=8 on all linear layers. WEFT_MODEL is
# the GGUF file; without it nothing is measured. The first step is left out.
set -eu
cd "$(dirname "$0")/../.."
bin=${O:-build}/bin
if [ -z "${WEFT_MODEL-}" ]; then
	echo "step: WEFT_MODEL is not set"
	exit 0
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
steps=${STEPS:-6}
awk -v n=$((4 * steps)) 'BEGIN {
	srand(1)
	for (i = 0; i < n; i++) {
		s = "1"
		for (t = 1; t < 256; t++) s = s ", " int(3 + rand() * 49000)
		print "{\"input_ids\": [" s "], \"labels\": [" s "]}"
	}
}' > "$tmp/data.jsonl"
"$bin/st-import" --dtype f32 -o "$tmp/f32.st" "$WEFT_MODEL"
"$bin/st-import" -o "$tmp/bf16.st" "$WEFT_MODEL"
"$bin/quantize-nf4" -o "$tmp/nf4.st" "$tmp/bf16.st"

measure() { # base threads batch accumulation
	local time=$tmp/time
	/usr/bin/env time -f '%e %M' -o "$time" \
		"$bin/peft-step" -q -r 8 -j "$2" -b "$3" -g "$4" --no-pack \
		--lr-scheduler constant -n "$steps" --log "$tmp/log" \
		--log-times -d "$tmp/data.jsonl" -o "$tmp/a.st" "$tmp/$1.st"
	jq -s -r 'map(select(.tokens_per_second) | .tokens_per_second) |
		.[1:] | sort | "\(.[-1]) \(.[(length / 2 | floor)])"' \
		"$tmp/log" | awk -v row="$1 -j $2 -b $3 -g $4" \
		-v kb="$(tail -n 1 "$time" | cut -d ' ' -f 2)" \
		'{ printf "%-22s %6.1f tokens/s best %6.1f median %5.0f MB\n",
			row, $1, $2, kb / 1024 }'
}

for threads in 2 1; do
	for base in nf4 bf16 f32; do
		measure "$base" "$threads" 4 1
	done
done
measure nf4 2 1 4
measure f32 2 1 4
