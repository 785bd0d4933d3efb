#!/usr/bin/env bats
# train.bats - lora-init and peft-step on a command line
bats_require_minimum_version 1.5.0
load refuses.sh

golden=tests/golden
model=$golden/A/llama/model
data=$golden/B/data/data.jsonl

setup_file() {
	export T=$BATS_FILE_TMPDIR
	"$BIN/st-import" -o "$T/base.st" "$model"
	"$BIN/tokenize" -o "$T/data.st" "$data"
	"$BIN/peft-step" -q -r 2 -d "$data" -n 12 -g 1 --stop-after 6 \
		-o "$T/half.st" "$T/base.st"
	"$BIN/peft-step" -q -r 2 -d "$data" -n 4 -g 1 -o "$T/done.st" \
		"$T/base.st"
}

setup() {
	rm -f "$T/log" "$T/ckpt"
}

step() {
	"$BIN/peft-step" -q -d "$data" "$@"
}

meta() { # STREAM KEY: the JSON of a META record
	"$BIN/st-ls" "$1" | sed -n "s/^meta  *$2 //p"
}

# ---- lora-init ----

@test "lora-init passes its input on and adds an adapter" {
	"$BIN/lora-init" -r 4 "$T/base.st" > "$T/both.st"
	"$BIN/st-check" -q "$T/both.st"
	cmp -n "$(stat -c %s "$T/base.st")" "$T/base.st" "$T/both.st"
	"$BIN/lora-init" -r 4 --only "$T/base.st" > "$T/only.st"
	"$BIN/st-ls" "$T/only.st" | grep -c lora_A | grep -x 14
	! "$BIN/st-ls" "$T/only.st" | grep -q embed_tokens
}

@test "lora-init takes modules, layers and patterns as PEFT does" {
	"$BIN/lora-init" --only -r 8 --alpha 16 --layers 1 \
		--target-modules q_proj,v_proj --rank-pattern q_proj=3 \
		--alpha-pattern v_proj=5 "$model" > "$T/a.st"
	"$BIN/st-ls" "$T/a.st" | awk '/lora_/ { print $NF, $3 }' > "$T/names"
	diff "$T/names" - <<-'END'
	model.layers.1.self_attn.q_proj.lora_A 3x64
	model.layers.1.self_attn.q_proj.lora_B 64x3
	model.layers.1.self_attn.v_proj.lora_A 8x64
	model.layers.1.self_attn.v_proj.lora_B 32x8
	END
	[ "$(meta "$T/a.st" adapter | jq -c '[.r, .alpha, .rank_pattern, .alpha_pattern]')" = \
		'[8,16,{"model.layers.1.self_attn.q_proj":3},{"model.layers.1.self_attn.v_proj":5}]' ]
	"$BIN/lora-init" --only --target-modules '.*mlp\.(up|down)_proj' \
		--exclude-modules 0.mlp.up_proj "$model" > "$T/a.st"
	"$BIN/st-ls" "$T/a.st" | grep -c lora_B | grep -x 3
}

@test "lora-init copies the modules that are trained whole" {
	"$BIN/lora-init" --only -r 2 --modules-to-save lm_head,embed_tokens \
		"$T/base.st" > "$T/a.st"
	"$BIN/merge-adapter" "$T/base.st" "$T/a.st" > "$T/merged.st"
	"$BIN/st-diff" "$T/base.st" "$T/merged.st"
}

@test "lora-init --from gives an adapter's weights without its training" {
	"$BIN/lora-init" --only --from "$T/half.st" "$T/base.st" > "$T/a.st"
	[ -z "$(meta "$T/a.st" train)" ]
	! "$BIN/st-ls" "$T/a.st" | grep -q adam_m
	refuses 64 '--rank' lora-init -r 4 --from "$T/half.st" "$T/base.st"
}

@test "lora-init refuses what makes no adapter" {
	refuses 78 'target_modules' lora-init --target-modules nothing "$model"
	# one of several, too; and a head that is the embedding
	refuses 78 'no matrix qproj.weight' lora-init \
		--target-modules v_proj,qproj "$model"
	refuses 78 'its head is its embedding' lora-init \
		--target-modules q_proj,lm_head "$golden/A/llama3_tied/model"
	refuses 78 'modules_to_save' lora-init --modules-to-save score "$model"
	refuses 78 'rank' lora-init -r 4096 "$model"
	refuses 64 '--rank' lora-init -r 0 "$model"
	refuses 64 '--layers' lora-init --layers 3-1 "$model"
	refuses 64 '--rank-pattern' lora-init --rank-pattern q_proj "$model"
	refuses 78 'dropout' lora-init --dropout 1 "$model"
	refuses 65 'no base' lora-init "$T/data.st"
}

# ---- peft-step ----

@test "peft-step follows PEFT on its command line" {
	local dir=$golden/B/lora_clip_wd_cosine
	step -A "$dir/init" --log "$T/log" --no-pack --no-shuffle -b 2 -g 1 \
		-n 30 --lr 4e-3 --lr-scheduler-type cosine --warmup_steps 4 \
		--weight-decay 0.1 --max-grad-norm 0.3 "$model" -o "$T/a.st"
	jq -s --slurpfile want "$dir/case.json" '
		def near(a; b; t): (a - b | fabs) <= t * ([1, b] | max);
		length == 30 and ([., $want[0].loss, $want[0].grad_norm,
			$want[0].lr] | transpose | all(
			near(.[0].loss; .[1]; 1e-5) and
			near(.[0].grad_norm; .[2]; 5e-5) and
			near(.[0].learning_rate; .[3]; 1e-9)))' "$T/log" |
		grep -x true
}

@test "peft-step -r makes the adapter that lora-init makes" {
	step -r 4 -n 3 -o "$T/a.st" "$T/base.st"
	"$BIN/lora-init" -r 4 "$T/base.st" | step -n 3 > "$T/b.st"
	for a in a b; do
		"$BIN/merge-adapter" "$T/base.st" "$T/$a.st" > "$T/$a.merged"
	done
	"$BIN/st-diff" "$T/a.merged" "$T/b.merged"
}

@test "base, adapter and data come in one stream" {
	"$BIN/lora-init" -r 4 "$T/base.st" | cat - "$T/data.st" |
		"$BIN/peft-step" -q -n 3 > "$T/a.st"
	"$BIN/st-check" -q "$T/a.st"
	refuses 65 'no data' peft-step "$T/base.st"
}

@test "a finished adapter trains on, from its weights, as a new run" {
	step -n 3 -g 1 --log "$T/log" -A "$T/done.st" -o "$T/a.st" "$T/base.st"
	[ "$(jq -s 'map(.step) == [1, 2, 3]' "$T/log")" = true ]
	refuses 64 '--rank' peft-step -r 4 -A "$T/done.st" -d "$data" \
		"$T/base.st"
}

@test "an unfinished adapter goes on, and --fresh begins again" {
	step --log "$T/log" -A "$T/half.st" -o "$T/a.st" "$T/base.st"
	[ "$(jq -s 'map(.step) == [7, 8, 9, 10, 11, 12]' "$T/log")" = true ]
	step --fresh --log "$T/log" -n 2 -g 1 -A "$T/half.st" -o "$T/a.st" \
		"$T/base.st"
	[ "$(jq -s 'map(.step) == [1, 2]' "$T/log")" = true ]
}

@test "a run that goes on refuses other options, base or data" {
	head -n 20 "$data" > "$T/less.jsonl"
	refuses 78 '--learning-rate' peft-step --lr 1e-3 -A "$T/half.st" \
		-d "$data" "$T/base.st"
	refuses 78 '--rank' peft-step -r 4 --resume "$T/half.st.ckpt" \
		-d "$data" "$T/base.st"
	refuses 78 '--data' peft-step -A "$T/half.st" -d "$T/less.jsonl" \
		"$T/base.st"
	refuses 78 'base' peft-step -A "$T/half.st" -d "$data" \
		$golden/A/llama_f16/model
	refuses 78 'no checkpoint' peft-step --resume "$T/done.st" -d "$data" \
		"$T/base.st"
}

@test "numbers that make no sense are refused by name" {
	for option in '-b 0' '-g 0' '--length 0' '--epochs 0' '--epochs -1' \
		'--lr -1' '--warmup-ratio 2' '--adam-beta1 1.5' \
		'--max-grad-norm -1' '--min-lr-rate 7'; do
		# shellcheck disable=SC2086
		refuses 64 ' is not from ' peft-step -d "$data" $option \
			"$T/base.st"
	done
}

@test "--resume begins where there is no checkpoint" {
	step -r 2 -n 4 -g 1 --resume "$T/nothing" -o "$T/a.st" "$T/base.st"
	cmp "$T/a.st" "$T/done.st"
}

@test "a signal leaves a checkpoint, and status 75" {
	local status=0 pid
	"$BIN/peft-step" -q -r 2 -n 100000 -d "$data" --log "$T/log" \
		--checkpoint "$T/ckpt" -o "$T/none.st" "$T/base.st" \
		2> "$T/err" &
	pid=$!
	until [ -s "$T/log" ]; do kill -0 "$pid"; done
	kill -TERM "$pid"
	wait "$pid" || status=$?
	[ "$status" -eq 75 ]
	grep -q 'peft-step: stopped at step [0-9]*; .*ckpt' "$T/err"
	"$BIN/st-check" -q "$T/ckpt"
	[ ! -e "$T/none.st" ]
}

@test "without a checkpoint a signal ends the run" {
	local status=0 pid
	"$BIN/peft-step" -q -r 2 -n 100000 -d "$data" --log "$T/log" \
		"$T/base.st" > "$T/part.st" 2> "$T/err" &
	pid=$!
	until [ -s "$T/log" ]; do kill -0 "$pid"; done
	kill -TERM "$pid"
	wait "$pid" || status=$?
	[ "$status" -eq 143 ]
	! "$BIN/st-check" -q "$T/part.st" 2> "$T/err"
}

@test "SIGUSR1 asks how far it is" {
	local pid
	"$BIN/peft-step" -q -r 2 -n 100000 -d "$data" --log "$T/log" \
		"$T/base.st" > "$T/part.st" 2> "$T/err" &
	pid=$!
	until [ -s "$T/log" ]; do kill -0 "$pid"; done
	kill -USR1 "$pid"
	until grep -q 'step [0-9]*/100000  loss' "$T/err"; do
		kill -0 "$pid"
		sleep 0.05
	done
	kill -KILL "$pid"
}

@test "SIGUSR1 before the first step does not kill" {
	local pid
	mkfifo "$T/slow"
	"$BIN/peft-step" -q -r 2 -n 1 -d "$data" < "$T/slow" > "$T/a.st" &
	pid=$!
	exec 5> "$T/slow"
	# Bit 9 of the signals that it catches, whatever it was told to ignore.
	until grep -q '^SigCgt.*[2367abef]..$' "/proc/$pid/status"; do
		kill -0 "$pid"
	done
	sleep 0.05
	kill -USR1 "$pid"
	cat "$T/base.st" >&5
	exec 5>&-
	wait "$pid"
	"$BIN/st-check" -q "$T/a.st"
}

@test "a training that diverges names step and sample, and keeps the checkpoint" {
	step -r 2 -n 9 -g 1 --stop-after 2 --checkpoint "$T/ckpt" \
		-o "$T/a.st" "$T/base.st"
	cp "$T/ckpt" "$T/kept"
	refuses 65 'not finite' peft-step -r 2 -d "$data" -n 9 -g 1 \
		--lr 1e36 --checkpoint "$T/ckpt" -o "$T/none.st" "$T/base.st"
	[[ $stderr =~ step\ [0-9]+.*sample ]]
	[ ! -e "$T/none.st" ]
	cmp "$T/ckpt" "$T/kept"
}

@test "validation: the best adapter is kept, and patience ends the run" {
	head -n 6 "$data" > "$T/train.jsonl"
	tail -n 12 "$data" > "$T/test.jsonl"
	"$BIN/peft-step" -q -r 4 -d "$T/train.jsonl" -n 200 -g 1 --lr 0.02 \
		--lr-scheduler constant --eval-data "$T/test.jsonl" \
		--eval-every 2 --patience 3 --keep-best "$T/best.st" \
		--log "$T/log" -o "$T/a.st" "$T/base.st"
	jq -s 'map(select(.eval_loss)) | (map(.eval_loss) | index(min)) as $i |
		length == $i + 4' "$T/log" | grep -x true
	[ "$(tail -n 1 "$T/log" | jq .step)" -lt 200 ]
	best=$(jq -s 'map(select(.eval_loss)) | min_by(.eval_loss).eval_loss' \
		"$T/log")
	"$BIN/eval" -t loss -d "$T/test.jsonl" "$T/base.st" "$T/best.st" |
		jq --argjson best "$best" '(.loss - $best | fabs) < 1e-6' |
		grep -x true
}

@test "--log has the names of HF, and times only when asked" {
	step -r 2 -n 2 --log "$T/log" -o "$T/a.st" "$T/base.st"
	head -n 1 "$T/log" | jq -e 'keys == ["epoch", "grad_norm",
		"label_tokens", "learning_rate", "loss",
		"num_input_tokens_seen", "step"]'
	step -r 2 -n 2 --log-times --log "$T/log" -o "$T/a.st" "$T/base.st"
	head -n 1 "$T/log" | jq -e '.tokens_per_second > 0'
}

@test "--profile prints seconds by operation, which add up to the step" {
	run --separate-stderr -0 "$BIN/peft-step" -q -d "$data" -r 2 -n 2 \
		--profile -o "$T/profiled.st" "$T/base.st"
	for row in attend linear rmsnorm head loss optimizer; do
		grep -q "^$row  *[0-9.]*" <<< "$stderr"
	done
	awk 'NR == 1 { next } $1 == "step" { step = $(NF - 1); next }
		{ sum += $(NF - 1) }
		END { d = sum - step; exit !(d < 0.002 && -d < 0.002) }' \
		<<< "$stderr"
	step -r 2 -n 2 -o "$T/a.st" "$T/base.st"
	cmp "$T/a.st" "$T/profiled.st"
}

@test "--profile counts what is done to the logits once, with the head" {
	run --separate-stderr -0 "$BIN/peft-step" -q -d "$data" -r 2 -n 1 \
		--profile -o "$T/a.st" "$golden/A/gemma2/model"
	grep -q '^geglu_tanh ' <<< "$stderr"
	grep -q '^head ' <<< "$stderr"
	! grep -q '^softcap ' <<< "$stderr"
}

@test "the first warm-up step has rate 0; short runs have none" {
	step -r 2 -n 10 -g 1 --log "$T/log" -o "$T/a.st" "$T/base.st"
	head -n 1 "$T/log" | jq -e '.learning_rate == 0'
	run --separate-stderr -0 "$BIN/peft-step" -d "$data" -r 2 -n 9 -g 1 \
		--log "$T/log" -o "$T/a.st" "$T/base.st"
	[[ $stderr == *'no warm-up'* ]]
	head -n 1 "$T/log" | jq -e '.learning_rate == 0.0002'
}

@test "--dry-run says what it will take, and -m what it may" {
	run --separate-stderr -0 "$BIN/peft-step" --dry-run -r 2 -n 5 \
		-d "$data" "$T/base.st"
	for name in weights adapter optimizer activations workspace data total \
		steps tokens seconds_per_step; do
		grep -q "^$name  *[0-9]" <<< "$output"
	done
	refuses 71 'the least plan' peft-step -m 1M -r 2 -d "$data" "$T/base.st"
}

@test "a run takes the memory that --dry-run promised" {
	mkdir "$T/wordy"
	cp $model/* "$T/wordy"
	jq -nc '{model: {type: "BPE", merges: [], vocab: ([range(60000) |
		{"key": "word\(.)", "value": .}] | from_entries)},
		pre_tokenizer: {type: "ByteLevel", add_prefix_space: false,
		trim_offsets: true, use_regex: true},
		decoder: {type: "ByteLevel"}, added_tokens: []}' \
		> "$T/wordy/tokenizer.json"
	jq -nc 'range(300) | {input_ids: [range(128)]}' > "$T/many.jsonl"
	set -- -q -r 8 -n 2 -g 1 -b 32 --length 128 -d "$T/many.jsonl" \
		"$T/wordy"
	plan=$("$BIN/peft-step" --dry-run "$@" |
		awk '/^total/ { print $2 }')
	"$BIN/peft-step" --log "$T/log" --log-times "$@" > "$T/a.st"
	jq -s --argjson plan "$plan" 'map(.memory_bytes) | max / $plan |
		., . > 0.95 and . < 1.05' "$T/log" | tee "$T/ratio"
	grep -qx true "$T/ratio"
	[ "$plan" -gt 25000000 ]
}

@test "all epochs are walked, in packed rows" {
	step -r 2 --epochs 2 -g 3 --length 100 --log "$T/log" -o "$T/a.st" \
		"$T/base.st"
	tail -n 1 "$T/log" | jq -e '.epoch == 2'
	tail -n 1 "$T/log" | jq -e ".num_input_tokens_seen ==
		2 * $(jq -s 'map(.input_ids | length) | add' "$data")"
}

@test "provenance has a record a run, and the continued run's is the first's" {
	step -A "$T/half.st" -o "$T/a.st" "$T/base.st"
	"$BIN/st-ls" "$T/a.st" | grep -c '^prov.*peft-step' | grep -x 1
	step -n 3 -g 1 -A "$T/done.st" -o "$T/a.st" "$T/base.st"
	"$BIN/st-ls" "$T/a.st" | grep -c '^prov.*peft-step' | grep -x 2
}

@test "micro-batches do not show: -b 1 -g 8 is -b 8 -g 1" {
	step --no-pack -n 3 -b 1 -g 8 --log "$T/one.log" -o "$T/one.st" \
		"$T/base.st"
	step --no-pack -n 3 -b 8 -g 1 --log "$T/all.log" -o "$T/all.st" \
		"$T/base.st"
	run "$BIN/st-diff" "$T/one.st" "$T/all.st" # the options only
	[ "$output" = "meta train: other values" ]
	cmp "$T/one.log" "$T/all.log"
}

# ---- a GGUF as it is ----

@test "a GGUF's blocks are trained on as they are: the values in f32 give the same" {
	local run=(-r 2 -n 1 -b 1 -g 2 --length 48 -d "$T/chat.jsonl") f
	[ -n "${WEFT_MODEL-}" ] || skip "WEFT_MODEL is not set"
	cat > "$T/chat.jsonl" <<-'END'
	{"prompt": "The capital of France is", "completion": " Paris."}
	{"prompt": "Two and two make", "completion": " four."}
	END
	cd "$T"
	"$BIN/st-import" --blocks keep -o kept.st "$WEFT_MODEL"
	"$BIN/st-import" --dtype f32 -u -o f32.st "$WEFT_MODEL"
	"$BIN/st-ls" kept.st | grep -q '^linear  *q4_1 .*layers.0.self_attn.q_proj'
	"$BIN/st-ls" f32.st | grep -q '^linear  *f32 .*layers.0.self_attn.q_proj'
	for f in kept.st f32.st "$WEFT_MODEL"; do
		"$BIN/peft-step" -q "${run[@]}" --log "$(basename "$f").log" \
			-o "$(basename "$f").a" "$f"
	done
	cp "$(basename "$WEFT_MODEL").a" gguf.a
	# The stream of the blocks is the file: the adapters are the same bytes.
	cmp gguf.a kept.st.a
	# Nothing but the base's digest differs.
	[ "$("$BIN/st-diff" --tolerance 0 gguf.a f32.st.a)" = \
		"meta train: other values" ]
	[ "$(jq -c 'select(.loss) | [.loss, .norm]' kept.st.log)" = \
		"$(jq -c 'select(.loss) | [.loss, .norm]' f32.st.log)" ]
	[ "$(jq -c 'select(.loss)' kept.st.log | wc -l)" -ge 1 ]
	# So does every other kind.
	for f in dora adalora 'qalora --qalora-group-size 32' iec lora_bias; do
		"$BIN/peft-step" -q "${run[@]}" --layers 28-29 --method $f \
			--log k.log -o k.a kept.st
		jq -se '.[-1].grad_norm > 0' k.log
		"$BIN/peft-step" -q "${run[@]}" --layers 28-29 --method $f \
			-o f.a f32.st
		[ "$("$BIN/st-diff" --tolerance 0 k.a f.a)" = \
			"meta train: other values" ]
	done
	# A merged model is dense, of the values' type.
	"$BIN/merge-adapter" -u kept.st gguf.a |
		"$BIN/st-ls" - | grep -q '^linear  *bf16 .*layers.0.self_attn.q_proj'
	# Quantising decodes as st-import does; the embedding stays what it is.
	"$BIN/quantize-nf4" -o a.nf4 "$WEFT_MODEL"
	run "$BIN/st-diff" --tolerance 0 a.nf4 <("$BIN/quantize-nf4" kept.st)
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == "tensor model.embed_tokens.weight: "* ]]
	refuses 65 "--dtype" st-export --to hf out kept.st
	rm -f f32.st a.nf4
}
