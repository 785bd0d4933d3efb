#!/bin/bash
# peers.sh - the same step here and in PEFT, A B A B in one run
#
# PYTHON has torch, peft, transformers (and bitsandbytes); WEFT_MODEL is the
# GGUF file. Prints a row a turn and the ratios of the bests and medians.
set -eu
cd "$(dirname "$0")/../.."
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
bin=${O:-build}/bin
turns=${TURNS:-2} steps=${STEPS:-5}
: "${WEFT_MODEL:?the GGUF file}" "${PYTHON:=python3}"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"$bin/st-import" --dtype f32 -o "$tmp/f32.st" "$WEFT_MODEL"
"$bin/quantize-nf4" -o "$tmp/nf4.st" "$tmp/f32.st"
"$bin/st-export" --to hf "$tmp/hf" < "$tmp/f32.st"
awk -v n=$((4 * steps)) 'BEGIN {
	srand(1)
	for (i = 0; i < n; i++) {
		s = "1"
		for (t = 1; t < 256; t++) s = s ", " int(3 + rand() * 49000)
		print "{\"input_ids\": [" s "], \"labels\": [" s "]}"
	}
}' > "$tmp/data.jsonl"

ours() { # kind
	/usr/bin/env time -f '%M' -o "$tmp/time" \
		"$bin/peft-step" -q -r 8 -j 2 -b 4 -g 1 --no-pack \
		--lr-scheduler constant -n "$steps" --log "$tmp/log" \
		--log-times -d "$tmp/data.jsonl" -o "$tmp/a.st" "$tmp/$1.st"
	jq -s -r 'map(select(.tokens_per_second) | .tokens_per_second) |
		.[1:] | sort | "\(.[-1]) \(.[(length / 2 | floor)])"' \
		"$tmp/log" | tr '\n' ' '
	awk '{ printf "%.0f\n", $1 / 1024 }' "$tmp/time"
}

peers() {
	"$PYTHON" tests/bench/peers_step.py "$tmp/hf" "$1" "$steps" \
		2> "$tmp/err" || { tail -n 3 "$tmp/err" >&2; return 1; }
}

echo "who kind best median MB"
for turn in $(seq "$turns"); do
	for kind in f32 nf4; do
		echo "weft $kind $(ours "$kind")"
		echo "peft $kind $(peers "$kind")"
	done
done | tee "$tmp/rows"
awk '{ k = $1 " " $2; if ($3 > best[k]) best[k] = $3
	if ($4 > med[k]) med[k] = $4 }
	END { for (k = 1; k <= 2; k++) { n = k == 1 ? "f32" : "nf4"
		if (best["peft " n]) printf "ratio %s: best %.2f median %.2f\n",
			n, best["weft " n] / best["peft " n],
			med["weft " n] / med["peft " n] } }' "$tmp/rows"
