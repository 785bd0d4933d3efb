#!/usr/bin/env bats
# relatives.bats - every kind of adapter from end to end, and what each alone has
bats_require_minimum_version 1.5.0
load refuses.sh

golden=tests/golden
model=$golden/A/llama/model
data=$golden/B/data/data.jsonl
methods='lora dora adalora'
ada='--method adalora -r 6 --target-rank 2 --alpha 16 --tinit 3 --tfinal 6
	--delta-t 2'

setup_file() {
	export T=$BATS_FILE_TMPDIR
	"$BIN/st-import" -o "$T/base.st" "$model"
	"$BIN/quantize-nf4" -o "$T/nf4.st" "$T/base.st"
}

train() { # OUTPUT OPTION ...
	local to=$1
	shift
	"$BIN/peft-step" -q -d "$data" -n 12 -g 2 --lr 2e-3 -o "$T/$to" "$@"
}

# Tensors agree; the record of how they were made may not.
same_tensors() {
	run "$BIN/st-diff" "$1" "$2"
	echo "$output"
	! [[ $output == *tensor* ]]
	[ "$("$BIN/st-ls" "$1" | grep -c lora_A)" -gt 0 ]
}

# ---- every method ----

@test "a run that is stopped and continued is the same bytes" {
	for m in $methods; do
		train whole.st --method "$m" -r 6 --dropout 0.1 "$T/base.st"
		train half.st --method "$m" -r 6 --dropout 0.1 --stop-after 7 \
			"$T/base.st"
		train rest.st -A "$T/half.st" "$T/base.st"
		cmp "$T/whole.st" "$T/rest.st"
	done
}

@test "threads and computing layers twice do not change a byte" {
	for m in $methods; do
		o="--method $m -r 6 -b 8 --length 256"
		for mb in 2 3 4 5 6 7; do # the least that is enough
			train two.st $o -j 3 -m "${mb}M" --dry-run "$T/nf4.st" \
				> "$T/plan" && break
		done
		train one.st $o -j 1 "$T/nf4.st"
		train two.st $o -j 3 -m "${mb}M" "$T/nf4.st"
		cmp "$T/one.st" "$T/two.st"
	done
}

@test "any storage trains, and the merged model is base and adapter" {
	for m in $methods; do
		for base in base nf4; do
			train a.st --method "$m" -r 6 --log "$T/log" \
				"$T/$base.st"
			jq -se '.[-1].grad_norm > 0' "$T/log"
			"$BIN/merge-adapter" -q --dtype f32 --verify 64 \
				-A "$T/a.st" "$T/$base.st" > "$T/merged.st"
			run -1 "$BIN/st-diff" "$T/merged.st" "$T/base.st"
		done
	done
}

@test "peft-step makes the adapter that lora-init makes" {
	for m in $methods; do
		"$BIN/lora-init" --only --method "$m" -r 6 "$T/base.st" \
			> "$T/fresh.st"
		train given.st -A "$T/fresh.st" "$T/base.st"
		train made.st --method "$m" -r 6 "$T/base.st"
		same_tensors "$T/given.st" "$T/made.st"
	done
}

@test "an adapter is the same after PEFT's files" {
	for m in $methods; do
		rm -rf "$T/peft"
		train a.st --method "$m" -r 6 "$T/base.st"
		"$BIN/st-export" --to peft "$T/peft" "$T/a.st"
		"$BIN/merge-adapter" -q -A "$T/a.st" "$T/base.st" \
			> "$T/ours.st"
		"$BIN/merge-adapter" -q -A "$T/peft" "$T/base.st" \
			> "$T/theirs.st"
		run "$BIN/st-diff" --tolerance 1e-6 "$T/ours.st" "$T/theirs.st"
		echo "$output"
		! [[ $output == *tensor* ]]
	done
}

@test "LoRA stands at an embedding: trains, merges, goes to PEFT and back" {
	o='-r 4 --target-modules embed_tokens,q_proj'
	train whole.st $o "$T/base.st"
	train half.st $o --stop-after 5 "$T/base.st"
	train rest.st -A "$T/half.st" "$T/base.st"
	cmp "$T/whole.st" "$T/rest.st"
	"$BIN/st-ls" "$T/whole.st" | grep -q 'embed_tokens.lora_embedding_A$'
	"$BIN/merge-adapter" -q --verify 64 -A "$T/whole.st" "$T/base.st" \
		> "$T/ours.st"
	rm -rf "$T/peft"
	"$BIN/st-export" --to peft "$T/peft" "$T/whole.st"
	"$BIN/merge-adapter" -q -A "$T/peft" "$T/base.st" > "$T/theirs.st"
	"$BIN/st-diff" "$T/ours.st" "$T/theirs.st" > "$T/diff" || true
	! grep tensor "$T/diff"
}

# ---- LoRA+, 8 bits ----

@test "LoRA+ moves B, not A, by another rate, of every kind that has one" {
	local o='-r 4 -n 1 -g 1'
	for m in lora dora adalora iec 'qalora --qalora-group-size 16'; do
		train plain.st --method $m $o "$T/base.st"
		train plus.st --method $m $o --loraplus-lr-ratio 16 \
			"$T/base.st"
		run "$BIN/st-diff" "$T/plain.st" "$T/plus.st"
		[[ $output == *lora_B* ]]
		! [[ $output == *"lora_A:"* ]]
	done
	refuses 78 'give a higher rate' peft-step -q -d "$data" --method prefix \
		--loraplus-lr-ratio 16 "$T/base.st"
}

@test "adamw8bit keeps its state in 8 bits, and goes on with it" {
	local o='--optim adamw8bit -r 4 --modules-to-save lm_head'
	train whole.st $o "$T/base.st"
	train half.st $o --stop-after 5 "$T/base.st"
	"$BIN/st-ls" "$T/half.st" > "$T/list"
	grep -q '^state *u8 .*lm_head.weight.adam8_m$' "$T/list"
	grep -q '^state *f32 .*lora_A.adam_m$' "$T/list" # small: in 32 bits
	train rest.st -A "$T/half.st" "$T/base.st"
	cmp "$T/whole.st" "$T/rest.st"
}

# ---- AdaLoRA ----

@test "ranks fall alike in one process, by a filter, and by hand" {
	train one.st $ada -n 20 -g 1 "$T/base.st"
	train two.st $ada -n 20 -g 1 --filter-every 2 \
		--filter "'$BIN/adalora-prune' -q" "$T/base.st"
	cmp "$T/one.st" "$T/two.st"
	train by.st $ada -n 20 -g 1 --filter cat --filter-every 99 \
		--stop-after 4 "$T/base.st"
	for step in 6 8 10 12 14 20; do
		"$BIN/adalora-prune" -q "$T/by.st" > "$T/pruned.st"
		"$BIN/peft-step" -q -d "$data" --filter cat --filter-every 99 \
			--stop-after "$step" -A "$T/pruned.st" -o "$T/by.st" \
			"$T/base.st"
	done
	cmp "$T/one.st" "$T/by.st"
	train none.st $ada -n 20 -g 1 --filter cat --filter-every 99 \
		"$T/base.st"
	run "$BIN/st-diff" "$T/one.st" "$T/none.st"
	[[ $output == *lora_E* ]]
}

@test "adalora-prune -b keeps so many ranks, and says which" {
	train half.st $ada --stop-after 6 "$T/base.st"
	"$BIN/adalora-prune" -b 30 "$T/half.st" > "$T/p.st" 2> "$T/table"
	cat "$T/table"
	[ "$(grep -c ' of ' "$T/table")" -eq 15 ]
	grep -qx 'adalora-prune: 30 of 84 ranks' "$T/table"
	[ "$(grep -o '#' "$T/table" | wc -l)" -eq 30 ]
	# what is no adapter passes through
	cat "$T/base.st" "$T/half.st" | "$BIN/adalora-prune" -q -b 30 |
		"$BIN/st-check" -q
}

@test "plot-ranks draws what is left, of any adapter, in training or done" {
	train half.st $ada --stop-after 6 "$T/base.st"
	"$BIN/adalora-prune" -q -b 30 "$T/half.st" > "$T/p.st"
	"$BIN/plot-ranks" --table "$T/p.st" > "$T/t"
	awk 'NR > 1 { n += $4; m += $5 } END { exit !(n == 30 && m == 84) }' "$T/t"
	[ "$(wc -l < "$T/t")" -eq 15 ]
	train done.st $ada "$T/base.st"
	"$BIN/plot-ranks" --table "$T/done.st" |
		awk 'NR > 1 { n += $4 } END { exit !(n == 28) }'
	"$BIN/plot-ranks" -o "$T/r.svg" "$T/done.st"
	grep -q 'ranks by layer: 28 of 84' "$T/r.svg"
	[ "$(grep -c '<rect' "$T/r.svg")" -eq 14 ]
	[ "$(tail -n 1 "$T/r.svg")" = '</svg>' ]
	rm -rf "$T/peft"
	"$BIN/st-export" --to peft "$T/peft" "$T/done.st"
	"$BIN/plot-ranks" --table "$T/peft" |
		awk 'NR > 1 { n += $4 } END { exit !(n == 28) }'
	train lora.st -r 2 --rank-pattern 'q_proj=5' --modules-to-save lm_head \
		"$T/base.st"
	"$BIN/plot-ranks" --table "$T/lora.st" |
		awk '/q_proj/ { q += $4 } END { exit !(q == 10) }'
	refuses 65 'adapters on the input' plot-ranks -o "$T/x.svg" "$T/base.st"
	head -c 4000 "$T/done.st" > "$T/cut.st"
	refuses 65 '' plot-ranks -o "$T/x.svg" "$T/cut.st"
	[ ! -e "$T/x.svg" ]
}

@test "a budget that never falls is refused before the first step" {
	refuses 78 'never falls' peft-step -q -d "$data" -n 9 --method adalora \
		-r 4 --target-rank 4 "$T/base.st"
	refuses 78 'never falls' peft-step -q -d "$data" -n 9 --method adalora \
		-r 4 --tinit 5 --tfinal 4 "$T/base.st"
	refuses 78 'never falls' lora-init --only --method adalora -r 4 \
		--target-rank 4 "$T/base.st"
	train half.st $ada --stop-after 6 "$T/base.st"
	refuses 78 'nothing would be pruned' adalora-prune -b 84 "$T/half.st"
}

@test "adalora-prune refuses what it cannot judge" {
	train done.st $ada "$T/base.st"
	refuses 78 'finished' adalora-prune "$T/done.st"
	train lora.st -r 2 --stop-after 3 "$T/base.st"
	refuses 78 'of the kind lora' adalora-prune "$T/lora.st"
	refuses 65 'no adapter' adalora-prune "$T/base.st"
}

@test "a filter that fails ends the training" {
	refuses 65 'failed, status 3' peft-step -q -d "$data" -n 4 \
		--filter-every 2 --filter 'exit 3' "$T/base.st"
	refuses 65 "the filter 'true'" peft-step -q -d "$data" -n 4 \
		--filter-every 2 --filter true "$T/base.st"
	refuses 64 'go together' peft-step -q -d "$data" --filter cat \
		"$T/base.st"
}

# ---- first values that change the base ----

@test "PiSSA and OLoRA: base and adapter are the model, and training goes on" {
	for init in pissa olora; do
		"$BIN/lora-init" --init "$init" -r 4 "$T/base.st" > "$T/both.st"
		"$BIN/merge-adapter" -q "$T/both.st" > "$T/merged.st"
		run "$BIN/st-diff" --tolerance 1e-5 "$T/merged.st" "$T/base.st"
		echo "$output"
		! [[ $output == *tensor* ]]
		"$BIN/lora-init" --init "$init" -r 4 -u "$T/base.st" |
			train a.st
		"$BIN/st-check" -q "$T/a.st"
	done
}

@test "LoftQ: the base is quantised, nearer with the adapter than without" {
	"$BIN/lora-init" --init loftq --loftq-iter 3 -r 8 "$T/base.st" \
		> "$T/both.st"
	"$BIN/st-ls" "$T/both.st" | grep q_proj.weight | grep -q nf4
	train a.st "$T/both.st"
	"$BIN/merge-adapter" -q --dtype f32 "$T/both.st" > "$T/merged.st"
	distance() {
		"$BIN/st-diff" "$1" "$T/base.st" | grep layers.0.mlp.up_proj |
			sed 's/.*rms \([^,]*\),.*/\1/'
	}
	awk -v a="$(distance "$T/merged.st")" -v b="$(distance "$T/nf4.st")" \
		'BEGIN { exit !(a > 0 && a < b) }'
}

@test "what does not go together is refused, with what does" {
	refuses 64 'lora-init --init pissa' peft-step -d "$data" --init pissa \
		"$T/base.st"
	refuses 64 '--only would lose' lora-init --init loftq --only \
		"$T/base.st"
	refuses 65 'quantised already' lora-init --init pissa -o "$T/x.st" \
		"$T/nf4.st"
	refuses 64 'for --method lora' lora-init --method dora --init gaussian \
		"$T/base.st"
	refuses 64 'no such thing' lora-init --target-rank 3 "$T/base.st"
	refuses 64 'is for --method prompt or prefix' lora-init \
		--virtual-tokens 4 "$T/base.st"
	refuses 64 'is for --method qalora, not for lora' lora-init \
		--qalora-pool sum "$T/base.st"
	refuses 64 'want one of lora|dora' lora-init --method lorra "$T/base.st"
	refuses 64 'first values: --init pissa' lora-init --method pissa \
		"$T/base.st"
	refuses 64 'only with --init loftq' lora-init --loftq-iter 3 "$T/base.st"
	refuses 78 'its head is its embedding' lora-init --modules-to-save \
		lm_head "$golden/A/llama3_tied/model"
	refuses 64 'is not above 0' peft-step -d "$data" \
		--loraplus-lr-ratio -1 "$T/base.st"
	refuses 78 'no module with an adapter matches qq_proj' lora-init --only \
		--rank-pattern qq_proj=3 "$T/base.st"
	refuses 78 'rslora' lora-init --only --method adalora --rslora \
		"$T/base.st"
	refuses 78 'embedding' lora-init --only --method dora \
		--target-modules embed_tokens "$T/base.st"
	[ ! -e "$T/x.st" ]
}

@test "--init gaussian draws A from a normal distribution" {
	"$BIN/lora-init" --only -r 4 "$T/base.st" > "$T/uniform.st"
	"$BIN/lora-init" --only -r 4 --init gaussian "$T/base.st" > "$T/g.st"
	run "$BIN/st-diff" "$T/uniform.st" "$T/g.st"
	[[ $output == *lora_A* ]]
	! [[ $output == *lora_B* ]]
}

# ---- combining ----

@test "a combined adapter merges as its parts do" {
	train a.st -r 4 "$T/base.st"
	train b.st -r 3 --seed 7 --target-modules q_proj,up_proj "$T/base.st"
	"$BIN/combine-adapters" -w 0.5 -w -2 "$T/a.st" "$T/b.st" > "$T/c.st"
	"$BIN/merge-adapter" -q --scale 0.5 --scale -2 -A "$T/a.st" \
		-A "$T/b.st" "$T/base.st" > "$T/parts.st"
	"$BIN/merge-adapter" -q -A "$T/c.st" "$T/base.st" > "$T/whole.st"
	"$BIN/st-ls" "$T/c.st" | grep q_proj.lora_A | grep -q 7x64
	"$BIN/st-ls" "$T/c.st" | grep v_proj.lora_A | grep -q 4x64
	run "$BIN/st-diff" --tolerance 1e-6 "$T/parts.st" "$T/whole.st"
	echo "$output"
	! [[ $output == *tensor* ]]
	"$BIN/combine-adapters" --how svd -r 7 -w 0.5 -w -2 "$T/a.st" \
		"$T/b.st" > "$T/d.st"
	"$BIN/merge-adapter" -q -A "$T/d.st" "$T/base.st" > "$T/svd.st"
	run "$BIN/st-diff" --tolerance 1e-5 "$T/svd.st" "$T/whole.st"
	echo "$output"
	! [[ $output == *tensor* ]]
}

# Merged, the combination is its parts.
same_as_parts() { # BASE OPTION ...
	local base=$1
	shift
	"$BIN/combine-adapters" "$@" -w 0.5 -w -2 "$T/a.st" "$T/b.st" \
		> "$T/c.st"
	"$BIN/merge-adapter" -q --dtype f32 --scale 0.5 --scale -2 \
		-A "$T/a.st" -A "$T/b.st" "$T/$base.st" > "$T/parts.st"
	"$BIN/merge-adapter" -q --dtype f32 -A "$T/c.st" "$T/$base.st" \
		> "$T/whole.st"
	run "$BIN/st-diff" --tolerance 1e-5 "$T/parts.st" "$T/whole.st"
	echo "$output"
	! [[ $output == *tensor* ]]
}

@test "kinds are combined with their like and with others" {
	"$BIN/quantize-int" -q -o "$T/int.st" "$T/base.st"
	for kind in iec adalora qalora; do
		train a.st --method $kind -r 4 --lr 1e-2 "$T/int.st"
		train b.st --method $kind -r 3 --seed 7 --lr 1e-2 \
			--target-modules q_proj,up_proj "$T/int.st"
		same_as_parts int --how cat
		same_as_parts int --how svd -r 7
		train b.st -r 3 --seed 7 --target-modules q_proj,up_proj \
			"$T/int.st"
		same_as_parts int --how cat
		"$BIN/st-ls" "$T/c.st" | grep 'meta *adapter' |
			grep -q '"kind": "lora"'
	done
}

@test "QA-LoRA and QA-LoRA are QA-LoRA: the codes stay" {
	"$BIN/quantize-int" -q -o "$T/int.st" "$T/base.st"
	train a.st --method qalora -r 4 "$T/int.st"
	train b.st --method qalora -r 3 --seed 7 "$T/int.st"
	for how in cat svd; do
		"$BIN/combine-adapters" --how $how "$T/a.st" "$T/b.st" \
			> "$T/c.st"
		"$BIN/merge-adapter" --verify 64 -A "$T/c.st" "$T/int.st" \
			> "$T/m.st"
		[ "$("$BIN/st-ls" "$T/m.st" | grep -c 'int4/32')" -eq 14 ]
	done
	# and LoRA where that is asked for
	same_as_parts int --lora
	"$BIN/st-ls" "$T/c.st" | grep 'meta *adapter' | grep -q '"kind": "lora"'
	# other pools are other factors: LoRA
	train b.st --method qalora --qalora-pool sum -r 3 "$T/int.st"
	same_as_parts int
	"$BIN/st-ls" "$T/c.st" | grep 'meta *adapter' | grep -q '"kind": "lora"'
}

@test "a PiSSA adapter minus its first self fits the original base" {
	"$BIN/lora-init" --init pissa -r 4 -u "$T/base.st" > "$T/both.st"
	train a.st "$T/both.st"
	"$BIN/lora-init" --only --from "$T/both.st" "$T/base.st" \
		> "$T/first.st"
	"$BIN/combine-adapters" -w 1 -w -1 "$T/a.st" "$T/first.st" > "$T/c.st"
	"$BIN/merge-adapter" -q -A "$T/c.st" "$T/base.st" > "$T/ours.st"
	"$BIN/lora-init" --init pissa -r 4 -u "$T/base.st" |
		"$BIN/merge-adapter" -q --scale 0 > "$T/residual.st"
	"$BIN/merge-adapter" -q -A "$T/a.st" "$T/residual.st" > "$T/theirs.st"
	run "$BIN/st-diff" --tolerance 1e-5 "$T/ours.st" "$T/theirs.st"
	echo "$output"
	! [[ $output == *tensor* ]]
}

@test "combine-adapters refuses what cannot be added up" {
	train dora.st --method dora -r 2 "$T/base.st"
	train a.st -r 2 "$T/base.st"
	train b.st -r 3 "$T/base.st"
	refuses 78 merge-adapter combine-adapters "$T/dora.st" "$T/a.st"
	refuses 78 'cat and svd' combine-adapters --how linear "$T/a.st" \
		"$T/b.st"
	refuses 64 '--how svd' combine-adapters -r 3 "$T/a.st"
	refuses 64 'values of --weight' combine-adapters -w 1 -w 1 "$T/a.st"
	refuses 65 'no adapter' combine-adapters "$T/base.st"
	"$BIN/st-import" -o "$T/qwen2.st" "$golden/A/qwen2/model"
	train a.st -r 2 --method lora_bias "$T/qwen2.st"
	refuses 78 merge-adapter combine-adapters "$T/a.st" "$T/a.st"
	train a.st -r 2 --bias all "$T/qwen2.st"
	refuses 78 'its bias is trained' combine-adapters "$T/a.st" "$T/a.st"
}
