#!/usr/bin/env bats
# gguf_out.bats - models and adapters as GGUF, and back
bats_require_minimum_version 1.5.0

golden=$BATS_TEST_DIRNAME/../golden
model=$golden/A/llama/model

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	PATH=$BIN:$PATH
	jq -n -c '[range(40) | (. * 37 + 3) % 60] | {input_ids: ., labels: .}' \
		> data.jsonl
}

# refuses STATUS WORD COMMAND ...: one line that has WORD in it, nothing left
refuses() {
	local status=$1 word=$2
	shift 2
	run -"$status" --separate-stderr "$@"
	[ "${#stderr_lines[@]}" -eq 1 ] || { echo "$stderr"; return 1; }
	[[ $stderr == *"$word"* ]] || { echo "$stderr"; return 1; }
	[ ! -e out.gguf ]
	[ -z "$(find . -name '.*.??????')" ] || { ls -A; return 1; }
}

# losses FILE MODEL [ADAPTER]
losses() {
	"$BIN/eval" -q -t loss -d data.jsonl \
		--per-token "$1" ${3:+-A "$3"} "$2" > /dev/null
}

# agree FILE FILE: the losses in them
agree() {
	jq -e -n --slurpfile a <(jq '.[]' "$1") --slurpfile b \
		<(jq '.[]' "$2") '($a | length) == ($b | length) and
		([range($a | length) | ($a[.] - $b[.]) | fabs] | max < 5e-6)'
}

# The model after a way through GGUF: the same losses, to the bit.
@test "every family comes back" {
	for m in falcon falcon_old gpt2 gpt_neox granite llama llama3_tied \
		llama_bf16 llama_f16 llama_yarn mistral olmo2 phi phi3 qwen2 \
		qwen3 smollm3 stablelm starcoder2; do
		run st-export --to gguf $m.gguf "$golden/A/$m/model"
		# llama.cpp has Falcon without biases, and positions in three
		# of four layers of SmolLM3
		[[ $m$output == falcon*'no bias'* ]] && continue
		[[ $m$output == smollm3*turns* ]] && continue
		[ "$status" -eq 0 ] || { echo "$m: $output"; return 1; }
		losses a.json "$golden/A/$m/model"
		losses b.json $m.gguf
		cmp a.json b.json || { echo "$m"; return 1; }
	done
}

@test "a model that llama.cpp would compute otherwise is refused" {
	refuses 65 scale st-export --to gguf out.gguf "$golden/A/gemma2/model"
	st-import -o base.st "$model"
	cp -r "$model" bad
	chmod -R u+w bad
	jq '.rope_parameters = null | .rope_theta = 10000 | .rope_scaling =
		{"rope_type":"yarn","factor":4,"truncate":false,
		"original_max_position_embeddings":32}' "$model/config.json" \
		> bad/config.json
	refuses 65 truncate st-export --to gguf out.gguf bad
	refuses 65 config.json st-export --to gguf out.gguf \
		"$model/model.safetensors"
}

@test "the types of numbers, and blocks" {
	st-import -o base.st "$model"
	for t in f32 f16 bf16 q8_0 q4_0; do
		st-export --to gguf --dtype $t $t.gguf base.st
		st-import --blocks keep -o $t.st $t.gguf
		st-export --to gguf again.gguf $t.st
		cmp $t.gguf again.gguf
		rm again.gguf
	done
	st-ls q4_0.st | grep -q 'q4_0.*q_proj'
	st-ls q4_0.st | grep -q 'q8_0.*embed_tokens'
	st-ls q8_0.st | grep -q 'f32.*norm'
	# what is quantised otherwise is decoded
	quantize-nf4 -o nf4.st base.st
	st-export --to gguf nf4.gguf nf4.st
	st-export --to hf --dtype bf16 nf4 nf4.st
	st-import -o a.st nf4
	st-import -o b.st nf4.gguf
	[ -z "$(st-diff a.st b.st | grep proj)" ]
	refuses 64 'only a GGUF' st-export --to hf --dtype q8_0 out base.st
}

@test "a file is whole or not there, and is not written over" {
	st-import -o base.st "$model"
	st-export --to gguf m.gguf base.st
	cp m.gguf was
	refuses 73 'is there already' st-export --to gguf m.gguf base.st
	cmp m.gguf was
	st-export --force --to gguf --dtype f16 m.gguf base.st
	! cmp -s m.gguf was
	refuses 73 'no regular file' st-export --to gguf . base.st
	refuses 73 nowhere st-export --to gguf nowhere/out.gguf base.st
	refuses 64 'name the file' st-export --to gguf
	for n in 100 5000 100000; do
		head -c $n base.st > cut.st
		refuses 65 cut.st st-export --to gguf out.gguf cut.st
	done
	refuses 65 'two bases' st-export --to gguf out.gguf base.st base.st
	st-export --to gguf - < base.st > stdout && false
	# a pipe gives the file that an operand gives
	st-export --to gguf pipe.gguf < base.st
	cmp pipe.gguf was
}

@test "an adapter goes out and comes back" {
	st-export --to gguf m.gguf "$model"
	for a in lora_adamw rslora lora_qv_patterns; do
		st-export --to gguf --base "$model" $a.gguf \
			"$golden/B/$a/init"
		st-export --to gguf --base m.gguf same.gguf "$golden/B/$a/init"
		cmp $a.gguf same.gguf
		losses a.json "$model" "$golden/B/$a/init"
		losses b.json "$model" $a.gguf
		agree a.json b.json
		rm same.gguf
	done
	# one scale for all: the same numbers
	st-import -o a.st "$golden/B/lora_adamw/init"
	st-import -o b.st lora_adamw.gguf
	[ -z "$(st-diff a.st b.st | grep tensor)" ]
	merge-adapter -o a.merged "$model" a.st
	merge-adapter -o b.merged "$model" lora_adamw.gguf
	[ -z "$(st-diff a.merged b.merged)" ]
}

@test "an adapter that llama.cpp cannot have is refused" {
	refuses 64 --base st-export --to gguf out.gguf "$golden/B/rslora/init"
	refuses 64 q8_0 st-export --to gguf --dtype q8_0 --base "$model" \
		out.gguf "$golden/B/rslora/init"
	refuses 64 --base st-export --to hf --base "$model" out "$model"
	refuses 65 merge-adapter st-export --to gguf --base "$model" out.gguf \
		"$golden/B/dora/init"
	refuses 65 combine-adapters st-export --to gguf --base "$model" \
		out.gguf "$golden/B/adalora/final"
	refuses 65 merge-adapter st-export --to gguf --base "$model" out.gguf \
		"$golden/B/lora_modules_to_save/init"
	echo '{"rules": [{"modules": ["q_proj"], "adapter": {"rank": 4}},
		{"modules": ["v_proj"], "adapter": {"method": "dora"}}]}' > r
	lora-init -q --only --recipe r -o rules.st "$model"
	refuses 65 'has rules' st-export --to gguf --base "$model" out.gguf \
		rules.st
	refuses 65 'no such module' st-export --to gguf --base \
		"$golden/A/gpt2/model" out.gguf "$golden/B/rslora/init"
	refuses 66 nowhere st-export --to gguf --base nowhere out.gguf \
		"$golden/B/rslora/init"
	refuses 65 config.json st-export --to gguf --base \
		"$golden/B/rslora/init" out.gguf "$golden/B/rslora/init"
	st-import -o base.st "$model"
	refuses 65 'two bases or adapters' st-export --to gguf --base base.st \
		out.gguf base.st "$golden/B/rslora/init"
}

# What AdaLoRA learned is a LoRA adapter of its own kind, which goes.
@test "an adapter of another kind goes by combine-adapters" {
	combine-adapters -o lora.st "$golden/B/adalora/final"
	st-export --to gguf --base "$model" a.gguf lora.st
	losses a.json "$model" lora.st
	losses b.json "$model" a.gguf
	agree a.json b.json
}
