# Every method beside every storage: trains, resumes, merges

golden=$BATS_TEST_DIRNAME/../golden

setup_file() {
	export T=$BATS_FILE_TMPDIR
	cd "$T" || return 1
	PATH=$BIN:$PATH
	for model in llama qwen2; do # the second has biases
		mkdir $model
		cd $model
		st-import -o f32.st "$golden/A/$model/model"
		st-import --dtype bf16 -o bf16.st "$golden/A/$model/model"
		quantize-nf4 -q -o nf4.st f32.st
		quantize-nf4 -q --icq -o icq.st f32.st
		quantize-int --bits 4 -o int4.st f32.st
		quantize-int --bits 3 -o int.st f32.st
		quantize-int --bits 2 -o int2.st f32.st
		cd ..
	done
}

setup() {
	cd "$T/llama" || return 1
	PATH=$BIN:$PATH
	data=$golden/B/data/data.jsonl
}

# Options of a method on any of the bases.
options() {
	case $1 in
	qalora) echo --method qalora --qalora-group-size 32 ;;
	lora_bias) echo --method lora_bias --target-modules q_proj,k_proj,v_proj ;;
	bias) echo --bias all ;;
	*) echo --method "$1" ;;
	esac
}

loss() { # STREAM ...
	"$BIN/eval" -t loss -d "$data" "$@" | grep -o '"loss": [0-9.]*' | cut -d' ' -f2
}

@test "learns, on every storage, and merged says the same" {
	# the last one beside biases, which it must leave alone
	for method in lora dora adalora qalora iec lora_bias bias dora; do
		[[ $method == *bias ]] && cd "$T/qwen2"
		for base in f32 bf16 nf4 icq int4 int int2; do
			peft-step -q $(options $method) -r 4 -n 12 -g 1 -d "$data" \
				--learning-rate 1e-2 -o $method.$base.st $base.st
			awk -v a="$(loss $base.st)" -v m=$method \
				-v b="$(loss $base.st $method.$base.st)" \
				'BEGIN { print m, a, b
					exit !(b < a - (m == "adalora" ? 0.001 : 0.1)) }'
			merge-adapter -q --dtype f32 --verify 100 \
				-A $method.$base.st -o m.st $base.st
		done
	done
}

# Bases of every storage, in files of their names; a line each.
storages() {
	echo f32 bf16 nf4 icq int4 int int2
	quantize-nf4 -q --no-double-quant --block 128 -o nf4plain.st f32.st
	st-import --dtype f16 -o f16.st "$golden/A/llama/model"
	st-import -o fp4.st "$golden/C/checkpoint/fp4_single/model"
	quantize-int --bits 8 --group 16 --scales bf16 -o int8.st f32.st
	quantize-int -q --bits 3 --zero whole --gptq -d "$data" -o gptq.st f32.st
	echo nf4plain f16 fp4 int8 gptq
	for blocks in q8_0 q4_0; do # a GGUF's, as they are
		st-export --force --to gguf --dtype $blocks $blocks.gguf f32.st
		st-import --blocks keep -o $blocks.st $blocks.gguf
		st-ls $blocks.st | grep -q "^linear *$blocks "
		echo $blocks
	done
	python3 "$BATS_TEST_DIRNAME/quantiser.py" book 3 < f32.st > book.st \
		2> none && echo book
}

@test "any storage is its values: each method trains alike on both" {
	storages > list || true # the last wants python3
	[ "$(wc -w < list)" -ge 14 ]
	for base in $(cat list); do
		lora-init --only -r 1 -o none.st $base.st
		merge-adapter -q --dtype f32 -A none.st -o values.st $base.st
		for method in lora dora adalora qalora iec lora_bias prompt prefix; do
			set -- $(options $method) -n 2 -g 1 --lr 1e-2 -d "$data"
			peft-step -q "$@" -o one.st $base.st
			peft-step -q "$@" -o two.st values.st
			run st-diff one.st two.st # but for the base's digest
			echo "$base $method: $output"
			[[ $output != *tensor* ]]
		done
	done
}

@test "a stop and a resumption, and any -j, give the same adapter" {
	for method in lora dora adalora qalora iec lora_bias; do
		[[ $method == *bias ]] && cd "$T/qwen2"
		for dropout in 0 0.2; do
			set -- $(options $method) -r 4 -n 6 -d "$data" -g 2 --dropout $dropout
			peft-step -q -j1 "$@" -o one.st int.st
			peft-step -q -j3 "$@" --stop-after 3 -o half.st int.st
			peft-step -q -j2 -d "$data" -A half.st int.st | cmp - one.st
		done
	done
}

@test "how a step is cut into batches does not show" {
	for method in lora dora adalora qalora iec lora_bias; do
		[[ $method == *bias ]] && cd "$T/qwen2"
		for dropout in 0 0.2; do
			set -- $(options $method) -r 4 -n 3 -d "$data" --no-pack \
				--dropout $dropout
			peft-step -q "$@" -b 4 -g 1 -o one.st int.st
			peft-step -q "$@" -b 1 -g 4 -o two.st int.st
			run st-diff one.st two.st # but for the options in "train"
			[[ $output != *tensor* ]]
		done
	done
}

@test "lora-init and peft-step make the same adapter" {
	for method in lora qalora iec; do
		peft-step -q $(options $method) -r 4 -n 3 -d "$data" -o one.st int.st
		lora-init $(options $method) -r 4 int.st | peft-step -q -n 3 -d "$data" \
			-o two.st -
		run st-diff one.st two.st # but for the options in "train"
		[[ $output != *tensor* ]]
	done
}
