#!/bin/bash
# step.sh - whole training steps of the real model: tokens a second, memory
#
# LoRA r=8 on all linear layers, 1,024 tokens a step. WEFT_MODEL is the GGUF
# file; without it nothing is measured. STEPS: how many, the first left out.
# limit: 4 flop a parameter and token at the peak in f32, measured before each
# row. methods.sh has what methods and optimizers cost beside LoRA.
# MB: the most of anonymous and shared memory that was resident.
set -eu
cd "$(dirname "$0")/../.."
. tests/bench/lib.sh
begin_with_model step
steps=${STEPS:-6}
random_data $((4 * steps)) 256 > "$tmp/256.jsonl"
random_data "$steps" 1024 > "$tmp/1024.jsonl"
"$bin/st-import" --dtype f32 -u -o "$tmp/f32.st" "$WEFT_MODEL"
model_bases
parameters=$(product_parameters "$tmp/nf4.st")

measure() { # base length threads options ...
	local name="$1 $2 -j $3 ${*:4}" peak rates
	peak=$("$bench/peak" -j "$3")
	if ! rates=$(run_steps "$@" -r 8); then
		printf '%-52s %s\n' "$name" "$(tail -n 1 "$tmp/err")"
		return
	fi
	echo "$rates" | awk -v name="$name" \
		-v limit="$(awk -v g="$peak" -v p="$parameters" \
			'BEGIN { print g * 1e9 / 4 / p }')" \
		'{ printf "%-52s %8.1f %8.1f %8.1f %5.0f%% %5.0f%% %6d\n",
			name, $1, $2, limit, 100 * $1 / limit,
			100 * $2 / limit, $3 }'
}

printf '%-52s %8s %8s %8s %6s %6s %6s\n' "tokens/s" best median limit best \
	median MB
for threads in 2 1; do
	for base in nf4 bf16 f32; do
		measure "$base" 256 "$threads" -b 4 -g 1
	done
done
measure nf4 256 2 -b 1 -g 4
measure f32 256 2 -b 1 -g 4
measure nf4 1024 2 -b 1 -g 1
measure f32 1024 2 -b 1 -g 1
measure nf4 256 2 -b 4 -g 1 -m 600M
measure nf4 256 2 -b 4 -g 1 -m 450M
measure nf4 256 2 -b 4 -g 1 --compute bf16
measure bf16 256 2 -b 4 -g 1 --compute bf16
measure nf4 1024 2 -b 1 -g 1 --compute bf16
echo
measure nf4 256 2 -b 4 -g 1
cat "$tmp/err"
