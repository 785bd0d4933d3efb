#!/bin/bash
# methods.sh - what each method, optimizer and first value costs beside LoRA
#
# LoRA r=8 on all linear layers of the real model (WEFT_MODEL, the GGUF file) in
# NF4, 4 sequences of 256 tokens a step, two threads; then the same with one
# thing changed. STEPS: how many, the first left out. Just before each row the
# plain LoRA runs again, since machines change their speed by the minute. time:
# a step's, in those of that LoRA, by the best steps; MB: the most of anonymous
# and shared memory that was resident. A row that fails says why, and so does
# the status.
set -eu
cd "$(dirname "$0")/../.."
. tests/bench/lib.sh
begin_with_model methods
steps=${STEPS:-3} failed=0
random_data $((4 * steps)) 256 > "$tmp/256.jsonl"
model_bases

steps_of() { # BASE OPTION ...
	run_steps "$1" 256 2 -b 4 -g 1 "${@:2}"
}
row() { # NAME BASE OPTION ...
	local name=$1 plain rates
	shift
	if ! plain=$(steps_of nf4 -r 8) || ! rates=$(steps_of "$@"); then
		printf '%-30s %s\n' "$name" "$(tail -n 1 "$tmp/err")"
		failed=1
		return
	fi
	echo "$rates $plain" | awk -v name="$name" '{ printf \
		"%-30s %8.1f %8.1f %8.1f %6.2f %6d\n", name, $1, $2, $4,
		$4 / $1, $3 }'
}

# Seconds of a program that is run once, under the row that it was for.
once() { # NAME COMMAND ...
	local name=$1 begin
	shift
	begin=$(date +%s.%N)
	"$@"
	awk -v name="$name" -v a="$begin" -v b="$(date +%s.%N)" \
		'BEGIN { printf "  %s: %.1f s, once\n", name, b - a }'
}

all=q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj
printf '%-30s %8s %8s %8s %6s %6s\n' 'tokens/s' best median LoRA time MB
row lora nf4 -r 8
row 'lora, bf16' bf16 -r 8
row 'rslora' nf4 -r 8 --rslora
row 'lora+' nf4 -r 8 --loraplus-lr-ratio 16
row 'dropout' nf4 -r 8 --dropout 0.1
row dora nf4 -r 8 --method dora
row lora_bias nf4 -r 8 --method lora_bias
row adalora nf4 -r 8 --method adalora
row 'iec' nf4 -r 8 --method iec
row 'qalora, groups of 32' nf4 -r 8 --method qalora --qalora-group-size 32
row 'prompt, 20 tokens' nf4 --method prompt
row 'prefix, 20 tokens' nf4 --method prefix
row 'lora at the embedding too' nf4 -r 8 --target-modules $all,embed_tokens
row 'embedding trained whole' nf4 -r 8 --modules-to-save embed_tokens
row 'a new token' nf4 -r 8 --add-token '<|another|>'
row '8-bit AdamW' nf4 -r 8 --optim adamw8bit
row '8-bit AdamW, embedding' nf4 -r 8 --optim adamw8bit \
	--modules-to-save embed_tokens
row SGD nf4 -r 8 --optim sgd

once 'quantize-nf4 --icq' "$bin/quantize-nf4" -q -u --icq -o "$tmp/icq.st" \
	"$tmp/bf16.st"
row 'icq and iec' icq -r 8 --method iec
once 'quantize-int' "$bin/quantize-int" -q -u -o "$tmp/int4.st" "$tmp/bf16.st"
row 'lora, int4' int4 -r 8
row 'qalora, int4' int4 -r 8 --method qalora
for init in pissa olora loftq; do
	once "lora-init --init $init" "$bin/lora-init" -u -r 8 --init $init \
		-o "$tmp/$init.st" "$tmp/bf16.st"
	row $init $init
done

# Every third of the modules another way.
cat > "$tmp/recipe.json" << 'EOR'
{ "rules": [
    { "modules": "q_proj,k_proj,v_proj,o_proj", "quantize-int": { "bits": 3 },
      "adapter": { "method": "qalora", "rank": 8 } },
    { "modules": "down_proj", "quantize-nf4": {},
      "adapter": { "method": "dora", "rank": 8 } },
    { "quantize-nf4": {}, "adapter": { "rank": 8 } } ] }
EOR
"$bin/quantize-int" -q -u --recipe "$tmp/recipe.json" "$tmp/bf16.st" |
	"$bin/quantize-nf4" -q -u --recipe "$tmp/recipe.json" -o "$tmp/recipe.st"
row recipe recipe --recipe "$tmp/recipe.json"
exit $failed
