#!/bin/bash
# step.sh - whole training steps of the real model: tokens a second, memory
#
# LoRA r=8 on all linear layers, 1,024 tokens a step. WEFT_MODEL is the GGUF
# file; without it nothing is measured. STEPS: how many, the first left out.
# limit: 4 flop a parameter and token at the peak in f32, measured before each
# row. A row for each kind of adapter and each optimizer shows what it costs
# beside the plain one.
# MB: the most of anonymous and shared memory that was resident.
set -eu
cd "$(dirname "$0")/../.."
. tests/bench/lib.sh
if [ -z "${WEFT_MODEL-}" ]; then
	echo "step: WEFT_MODEL is not set"
	exit 0
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
steps=${STEPS:-6}
random_data $((4 * steps)) 256 > "$tmp/256.jsonl"
random_data "$steps" 1024 > "$tmp/1024.jsonl"
"$bin/st-import" --dtype f32 -u -o "$tmp/f32.st" "$WEFT_MODEL"
"$bin/st-import" -u -o "$tmp/bf16.st" "$WEFT_MODEL"
"$bin/quantize-nf4" -u -o "$tmp/nf4.st" "$tmp/bf16.st"
parameters=$(product_parameters "$tmp/nf4.st")
rank='-r 8'

measure() { # base length threads options ...
	local base=$1 length=$2 threads=$3 peak name
	shift 3
	name="$base $length -j $threads $*"
	peak=$("$bench/peak" -j "$threads")
	if ! with_memory "$tmp/mb" "$bin/peft-step" -q $rank -j "$threads" \
		"$@" --no-pack --lr-scheduler constant -n "$steps" \
		--profile --log "$tmp/log" --log-times \
		-d "$tmp/$length.jsonl" -o "$tmp/a.st" "$tmp/$base.st" \
		2> "$tmp/err"; then
		printf '%-52s %s\n' "$name" "$(tail -n 1 "$tmp/err")"
		return
	fi
	log_rates "$tmp/log" | awk -v name="$name" -v mb="$(cat "$tmp/mb")" \
		-v limit="$(awk -v g="$peak" -v p="$parameters" \
			'BEGIN { print g * 1e9 / 4 / p }')" \
		'{ printf "%-52s %8.1f %8.1f %8.1f %5.0f%% %5.0f%% %6d\n",
			name, $1, $2, limit, 100 * $1 / limit,
			100 * $2 / limit, mb }'
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
# what other methods, optimizers and storages cost
for method in dora adalora lora_bias prompt prefix; do
	measure nf4 256 2 -b 4 -g 1 --method $method
done
measure nf4 256 2 -b 4 -g 1 --rslora
measure nf4 256 2 -b 4 -g 1 --loraplus-lr-ratio 16
measure nf4 256 2 -b 4 -g 1 --dropout 0.1
measure nf4 256 2 -b 4 -g 1 --optim adamw8bit
measure nf4 256 2 -b 4 -g 1 --optim sgd
measure nf4 256 2 -b 4 -g 1 --method iec
measure nf4 256 2 -b 4 -g 1 --method qalora --qalora-group-size 32
"$bin/quantize-int" -u -o "$tmp/int4.st" "$tmp/bf16.st"
"$bin/quantize-nf4" -q -u --icq -o "$tmp/icq.st" "$tmp/bf16.st"
measure int4 256 2 -b 4 -g 1 --method qalora
measure icq 256 2 -b 4 -g 1 --method iec
# first values that change the base, and what they take once
for init in pissa olora loftq; do
	begin=$(date +%s.%N)
	"$bin/lora-init" -u -r 8 --init $init -o "$tmp/$init.st" "$tmp/bf16.st"
	took=$(awk -v a="$begin" -v b="$(date +%s.%N)" \
		'BEGIN { printf "%.1f", b - a }')
	rank=''
	measure $init 256 2 -b 4 -g 1
	rank='-r 8'
	echo "  ... after lora-init --init $init, $took s"
done
# every third of the modules another way
cat > "$tmp/recipe.json" << 'EOF'
{ "rules": [
    { "modules": "q_proj,k_proj,v_proj,o_proj", "quantize-int": { "bits": 3 },
      "adapter": { "method": "qalora", "rank": 8 } },
    { "modules": "down_proj", "quantize-nf4": {},
      "adapter": { "method": "dora", "rank": 8 } },
    { "quantize-nf4": {}, "adapter": { "rank": 8 } } ] }
EOF
"$bin/quantize-int" -q -u --recipe "$tmp/recipe.json" "$tmp/bf16.st" |
	"$bin/quantize-nf4" -q -u --recipe "$tmp/recipe.json" -o "$tmp/recipe.st"
rank="--recipe $tmp/recipe.json"
measure recipe 256 2 -b 4 -g 1
rank='-r 8'
echo
measure nf4 256 2 -b 4 -g 1
cat "$tmp/err"
