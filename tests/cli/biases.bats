# Biases: of B (lora_bias), of layers and norms (--bias), of whole modules

golden=$BATS_TEST_DIRNAME/../golden
data=$golden/B/data/data.jsonl
bats_require_minimum_version 1.5.0

setup_file() {
	export T=$BATS_FILE_TMPDIR
	cd "$T" || return 1
	for m in llama qwen2 gpt2; do
		"$BIN/st-import" -o $m.st "$golden/A/$m/model"
	done
	"$BIN/quantize-nf4" -q -o nf4.st qwen2.st
}

setup() {
	cd "$T" || return 1
	PATH=$BIN:$PATH
}

train() { # OUTPUT OPTION ...
	local to=$1
	shift
	peft-step -q -d "$data" -n 8 -g 2 --lr 1e-2 -o "$to" "$@"
}

# Base, then options: what has biases to train.
each() {
	while read -r base options; do
		"$@" $base $options
	done << 'EOF'
qwen2 --bias all --target-modules q_proj,down_proj
qwen2 --bias lora_only --target-modules q_proj,down_proj --method dora
nf4 --bias all --method adalora
qwen2 --bias all --modules-to-save k_proj --target-modules q_proj
qwen2 --method lora_bias --target-modules q_proj,v_proj
nf4 --method lora_bias --bias all --target-modules q_proj
gpt2 --bias all --target-modules c_attn
gpt2 --bias lora_only --method iec
gpt2 --method lora_bias --dropout 0.2
EOF
}

same_tensors() {
	run st-diff "$@"
	echo "$output"
	! [[ $output == *tensor* ]]
}

goes_on() { # BASE OPTION ...
	local base=$1.st
	shift
	train whole.st -j1 "$@" $base
	train half.st -j3 "$@" --stop-after 3 $base
	train rest.st -A half.st $base
	cmp whole.st rest.st
	lora-init "$@" $base | train piped.st
	same_tensors whole.st piped.st
	train one.st --no-pack -b 4 -g 1 "$@" $base
	train two.st --no-pack -b 1 -g 4 "$@" $base
	same_tensors one.st two.st
}

merges() { # BASE OPTION ...
	local base=$1.st
	shift
	train a.st "$@" $base
	merge-adapter -q --dtype f32 --verify 64 -A a.st -o m.st $base
	rm -rf peft
	[[ $* == *iec* ]] && return 0
	st-export --to peft peft < a.st
	merge-adapter -q --dtype f32 -A peft -o m2.st $base
	same_tensors --tolerance 1e-6 m.st m2.st
	[ "$(st-ls a.st | grep -c bias)" -gt 2 ]
}

changes_nothing() { # BASE OPTION ...
	local base=$1.st
	shift
	lora-init -r 4 --only -o f.st "$@" $base
	[ "$("$BIN/eval" -t loss -d "$data" $base)" = \
		"$("$BIN/eval" -t loss -d "$data" $base f.st)" ]
}

@test "a run that is stopped, piped or cut otherwise is the same" {
	each goes_on
}

@test "merged equals unmerged, and PEFT's files say the same" {
	each merges
}

@test "fresh biases change nothing" {
	each changes_nothing
}

@test "all: every bias, norms too; lora_only: those of adapted modules" {
	train a.st --bias all --target-modules c_attn gpt2.st
	[ "$(st-ls a.st | grep -c '\.bias$')" -eq 13 ]
	st-ls a.st | grep -q 'ln_f.bias$'
	st-export --force --to peft peft < a.st
	jq -e '.bias == "all"' peft/adapter_config.json
	train a.st --bias lora_only --target-modules c_attn gpt2.st
	[ "$(st-ls a.st | grep -c '\.bias$')" -eq 2 ]
	# a model without biases has none to train
	train a.st --bias all llama.st
	train b.st llama.st
	same_tensors a.st b.st
}

@test "weight decay leaves biases alone" {
	train a.st -n 1 --lr 0 --weight-decay 0.5 --bias all gpt2.st
	lora-init --only --bias all -o f.st gpt2.st
	same_tensors a.st f.st
	train a.st -n 2 --lr-scheduler constant --weight-decay 50 --bias all \
		--target-modules c_attn gpt2.st
	train b.st -n 2 --lr-scheduler constant --bias all \
		--target-modules c_attn gpt2.st
	st-diff a.st b.st > differ || true
	grep -q lora_A differ
}

@test "a bias that is not there cannot be merged into, and is no surprise" {
	train a.st --method lora_bias --target-modules q_proj llama.st
	run --separate-stderr -65 merge-adapter -A a.st -o none.st llama.st
	[[ $stderr == *"lora_B_bias: the base has no bias there"* ]]
	[ ! -e none.st ]
	"$BIN/eval" -t loss -d "$data" llama.st a.st
	run -64 lora-init --bias some gpt2.st
	run -78 lora-init --only --method lora_bias --target-modules embed_tokens \
		-o x.st llama.st
	[[ $output == *embedding* ]]
}

@test "PEFT's files that contradict themselves are refused" {
	train a.st --bias lora_only --target-modules c_attn gpt2.st
	rm -rf peft
	st-export --to peft peft < a.st
	jq '.bias = "none"' peft/adapter_config.json > c && mv c peft/adapter_config.json
	run -65 merge-adapter -A peft -o x.st gpt2.st
	[[ $output == *'says that none is trained'* ]]
	jq '.bias = "some"' peft/adapter_config.json > c && mv c peft/adapter_config.json
	run -65 merge-adapter -A peft -o x.st gpt2.st
	train a.st --method lora_bias --target-modules c_attn gpt2.st
	st-export --force --to peft peft < a.st
	jq -e .lora_bias peft/adapter_config.json
	jq 'del(.lora_bias)' peft/adapter_config.json > c && mv c peft/adapter_config.json
	run -65 merge-adapter -A peft -o x.st gpt2.st
	[ ! -e x.st ]
}
