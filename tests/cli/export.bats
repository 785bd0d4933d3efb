#!/usr/bin/env bats
# export.bats - directories appear whole or not at all
bats_require_minimum_version 1.5.0

golden=$BATS_TEST_DIRNAME/../golden
model=$golden/A/llama/model

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	PATH=$BIN:$PATH
	st-import -o base.st "$model"
	st-import -o adapter.st "$golden/B/rslora/init"
}

quietly() {
	"$@" > "$BATS_TEST_TMPDIR/stdout"
}

# refuses STATUS WORD COMMAND ...: one line that has WORD in it, nothing left
refuses() {
	local status=$1 word=$2
	shift 2
	run -"$status" --separate-stderr quietly "$@"
	[ "${#stderr_lines[@]}" -eq 1 ] || { echo "$stderr"; return 1; }
	[[ $stderr == *"$word"* ]] || { echo "$stderr"; return 1; }
	[ -z "$(find . -name '.*.??????')" ] || { ls -A; return 1; }
}

@test "what cannot be written says so" {
	refuses 64 --to st-export out base.st
	refuses 64 onnx st-export --to onnx out base.st
	refuses 64 directory st-export --to hf
	refuses 64 dtype st-export --to bnb --dtype f32 out base.st
	refuses 65 'no adapter' st-export --to peft out base.st
	refuses 65 adapter st-export --to hf out adapter.st
	refuses 65 NF4 st-export --to bnb out base.st
	refuses 65 bases st-export --to hf out base.st base.st
	refuses 65 adapters st-export --to peft out adapter.st adapter.st
	quantize-nf4 -o q.st base.st
	refuses 65 quantised st-export --to hf out q.st
	[ ! -e out ]
}

@test "weights alone go out as weights alone, and that is said" {
	st-import -o bare.st "$model/model.safetensors"
	run -0 --separate-stderr st-export --to hf out bare.st
	[[ $stderr == *'no config.json'* ]]
	[ "$(ls out)" = model.safetensors ]
	st-import -o back.st out/model.safetensors
	st-diff bare.st back.st
	refuses 65 NF4 st-export --to bnb other bare.st
}

# bitsandbytes fills the last byte of an odd number of codes with that of 0.
@test "an odd number of weights" {
	{
		printf '\71\0\0\0\0\0\0\0%s' \
		'{"w":{"dtype":"F32","shape":[3,3],"data_offsets":[0,36]}}'
		printf '\0\0\200\277%.0s' 1 2 3 4 5 6 7 8 9
	} > w.safetensors
	st-import w.safetensors | quantize-nf4 --no-double-quant -o w.st
	st-check w.st
	st-export -q --to bnb out w.st
	# the scale 1, codes of -1, the JSON text
	tail -c 84 out/model.safetensors | head -c 10 > end
	[ "$(od -An -tx1 end)" = ' 00 00 80 3f 00 00 00 00 07 7b' ]
}

@test "a broken input leaves nothing" {
	for n in 100 5000 100000; do
		head -c $n base.st > cut.st
		refuses 65 cut.st st-export --to hf out cut.st
	done
	head -c 3000 adapter.st > cut.st
	refuses 65 cut.st st-export --to peft out cut.st
	refuses 73 nowhere st-export --to hf nowhere/out base.st
	[ ! -e out ]
}

@test "a disk that is full leaves nothing" {
	run bash -c 'ulimit -f 100; st-export --to hf out base.st'
	[ "$status" -eq 74 ]
	[ ! -e out ]
	[ -z "$(find . -name '.out.*')" ]
}

@test "a signal leaves nothing" {
	mkfifo pipe
	st-export --to hf out pipe 2> told &
	pid=$!
	exec 7> pipe
	head -c 200000 base.st >&7
	for _ in $(seq 100); do
		[ -n "$(find . -name '.out.*')" ] && break
		sleep 0.05
	done
	[ -n "$(find . -name '.out.*')" ]
	kill -TERM $pid
	tail -c +200001 base.st >&7 2> pipe.err || :
	exec 7>&-
	status=0
	wait $pid || status=$?
	[ "$status" -eq 143 ]
	[ ! -e out ]
	[ -z "$(find . -name '.out.*')" ]
}

@test "an empty directory is filled, one with files is not" {
	mkdir out
	st-export --to hf out base.st
	refuses 73 --force st-export --to hf out base.st
	st-export --to hf out/ --force base.st
	touch file
	refuses 73 file st-export --to hf file base.st
}

@test "--force replaces what it writes and leaves the rest" {
	st-export --to hf --shard-size 50000 out base.st
	echo mine > out/notes
	st-export --to hf --force out base.st
	[ "$(cat out/notes)" = mine ]
	[ "$(find out -name '*.safetensors*' | wc -l)" -eq 1 ]
	st-import out | cmp - base.st
	head -c 9000 base.st > cut.st
	run -65 st-export --to hf --force out cut.st
	st-import out | cmp - base.st
}

@test "a tied head stays tied, an untied one untied" {
	for m in llama llama3_tied; do
		rm -rf out
		st-import "$golden/A/$m/model" | st-export --to hf out
		cmp out/config.json "$golden/A/$m/model/config.json"
	done
}

@test "no head is a tied head, whatever config.json says" {
	cp -r "$golden/A/llama3_tied/model" odd
	chmod -R u+w odd
	jq '.tie_word_embeddings = false' \
		"$golden/A/llama3_tied/model/config.json" > odd/config.json
	st-import odd | st-export --to hf out
	jq -e '.tie_word_embeddings' out/config.json
}

@test "a quantised base, decoded" {
	quantize-nf4 base.st | st-export --to hf --dtype bf16 out
	[ "$(jq -r .dtype out/config.json)" = bfloat16 ]
	jq -e 'has("quantization_config") | not' out/config.json
	st-import out | st-ls | grep -q bf16
}

@test "bitsandbytes: what is skipped is named" {
	quantize-nf4 --skip 'layers.0.*down' base.st | st-export --to bnb out
	jq -ce '.quantization_config | .quant_method == "bitsandbytes" and
		.load_in_4bit and .bnb_4bit_use_double_quant and
		(.llm_int8_skip_modules | sort) ==
		["lm_head", "model.layers.0.mlp.down_proj"]' out/config.json
}

@test "an adapter's directory has the keys that old versions of PEFT know" {
	st-export --to peft --base-name org/model out adapter.st
	jq -r 'keys[]' out/adapter_config.json > keys
	diff keys - <<-END
	alpha_pattern
	auto_mapping
	base_model_name_or_path
	bias
	fan_in_fan_out
	inference_mode
	init_lora_weights
	layers_pattern
	layers_to_transform
	lora_alpha
	lora_dropout
	modules_to_save
	peft_type
	r
	rank_pattern
	revision
	target_modules
	task_type
	use_dora
	use_rslora
	END
	[ "$(jq -r .base_model_name_or_path out/adapter_config.json)" = \
		org/model ]
	grep -q '^base_model: "org/model"$' out/README.md
}

@test "the card of a trained adapter tells how it was made" {
	jq -nc '[range(3; 40)] | {input_ids: ., labels: .}' > data.jsonl
	peft-step -q -r 4 -n 2 -d data.jsonl -o a.st base.st
	st-export --to peft out a.st
	grep -q '| peft-step ' out/README.md
	grep -q 'base [0-9a-f]\{32\}' out/README.md
	grep -q 'data [0-9a-f]\{32\}' out/README.md
	grep -q -- '--rank 4' out/README.md
}

@test "the same stream gives the same bytes" {
	st-export --to hf a base.st
	st-export --to hf b < base.st
	diff -r a b
	st-export --to peft c adapter.st
	st-export --to peft d adapter.st
	diff -r c d
}
