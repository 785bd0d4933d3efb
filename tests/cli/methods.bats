# Every method beside every storage: trains, resumes, merges

golden=$BATS_TEST_DIRNAME/../golden

setup_file() {
	export T=$BATS_FILE_TMPDIR
	cd "$T" || return 1
	PATH=$BIN:$PATH
	st-import -o dense.st "$golden/A/llama/model"
	quantize-nf4 -q -o nf4.st dense.st
	quantize-nf4 -q --icq -o icq.st dense.st
	quantize-int --bits 3 -o int.st dense.st
}

setup() {
	cd "$T" || return 1
	PATH=$BIN:$PATH
	data=$golden/B/data/data.jsonl
}

# Options of a method on any of the bases.
options() {
	case $1 in
	qalora) echo --method qalora --qalora-group-size 32 ;;
	*) echo --method "$1" ;;
	esac
}

loss() { # STREAM ...
	"$BIN/eval" -t loss -d "$data" "$@" | grep -o '"loss": [0-9.]*' | cut -d' ' -f2
}

@test "learns, on every storage, and merged says the same" {
	for method in lora dora qalora iec; do
		for base in dense nf4 icq int; do
			peft-step -q $(options $method) -r 4 -n 12 -g 1 -d "$data" \
				--learning-rate 1e-2 -o $method.$base.st $base.st
			awk -v a="$(loss $base.st)" \
				-v b="$(loss $base.st $method.$base.st)" \
				'BEGIN { exit !(b < a - 0.1) }'
			merge-adapter -q --dtype f32 --verify 100 \
				-A $method.$base.st -o m.st $base.st
		done
	done
}

@test "a stop and a resumption, and any -j, give the same adapter" {
	for method in lora qalora iec; do
		for dropout in 0 0.2; do
			set -- $(options $method) -r 4 -n 6 -d "$data" -g 2 --dropout $dropout
			peft-step -q -j1 "$@" -o one.st int.st
			peft-step -q -j3 "$@" --stop-after 3 -o half.st int.st
			peft-step -q -j2 -d "$data" -A half.st int.st | cmp - one.st
		done
	done
}

@test "how a step is cut into batches does not show" {
	for method in lora dora adalora qalora iec; do
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
