# One file for all: storage, method and rank of each module

golden=$BATS_TEST_DIRNAME/../golden
data=$golden/B/data/data.jsonl
bats_require_minimum_version 1.5.0

setup_file() {
	export T=$BATS_FILE_TMPDIR
	cd "$T" || return 1
	PATH=$BIN:$PATH
	st-import -o base.st "$golden/A/llama/model"
	cat > mixed.json <<- 'EOF'
	{ "comment": "a dense layer, attention in 3 bits, the rest NF4",
	  "rules": [
	    { "layers": "0", "keep": true, "adapter": { "method": "iec", "rank": 2 } },
	    { "modules": [ "q_proj", "k_proj", "v_proj", "o_proj" ],
	      "quantize-int": { "bits": 3, "gptq": true },
	      "adapter": { "method": "qalora", "rank": 4 } },
	    { "modules": "down_proj", "quantize-nf4": {},
	      "adapter": { "method": "dora", "rank": 16, "dropout": 0.1 } },
	    { "modules": "up_proj", "quantize-int": { "bits": 8, "group": 0 },
	      "adapter": { "method": "adalora", "rank": 6, "target-rank": 2,
	                   "tinit": 2, "tfinal": 3, "delta-t": 2 } },
	    { "quantize-nf4": { "block": 32 }, "adapter": { "rank": 16 } } ] }
	EOF
	quantize-int -q --recipe mixed.json -d "$data" base.st |
		quantize-nf4 -q --recipe mixed.json -o mixed.st
}

setup() {
	cd "$T" || return 1
	PATH=$BIN:$PATH
}

train() { # OUTPUT OPTION ...
	local to=$1
	shift
	peft-step -q -d "$data" -n 10 -g 2 --lr 2e-3 -o "$to" "$@"
}

# Tensors agree; the record of how they were made may not.
same_tensors() {
	run st-diff "$1" "$2"
	echo "$output"
	! [[ $output == *tensor* ]]
	[ "$(st-ls "$1" | grep -c '^\(linear\|adapter\)')" -gt 0 ]
}

recipe() { # JSON of the rules
	printf '{ "rules": [ %s ] }\n' "$1" > r.json
}

refuses() { # STATUS WORDS PROGRAM ARG ...
	local want=$1 words=$2
	shift 2
	rm -f x.st
	run --separate-stderr -"$want" "$@" -o x.st
	echo "$stderr"
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ $stderr == *"$words"* ]]
	[ ! -e x.st ]
}

stored() { st-ls "$1" | sed -n "s/^linear *\([a-z0-9]*\).* \(.*\)\.weight$/\2 \1/p"; }

@test "each weight is stored as its rule says" {
	stored mixed.st > list
	cat list
	[ "$(grep -c 'layers.0.* f32$' list)" -eq 7 ]
	[ "$(grep -c 'layers.1.self_attn.* int3$' list)" -eq 4 ]
	grep -qx 'model.layers.1.mlp.up_proj int8' list
	grep -qx 'model.layers.1.mlp.gate_proj nf4' list
	grep -qx 'model.layers.1.mlp.down_proj nf4' list
}

@test "a recipe is the run by hand: weights" {
	recipe '{ "layers": "0", "quantize-nf4": { "block": 128 } },
		{ "modules": "mlp.up_proj,mlp.down_proj",
		  "quantize-int": { "bits": 2, "zero": "whole", "group": 16 } }'
	quantize-nf4 -q --recipe r.json base.st |
		quantize-int -q --recipe r.json -o one.st
	quantize-nf4 -q --block 128 --skip 'layers\.1' -o two.st base.st
	quantize-int -q --bits 2 --zero whole --group 16 \
		--skip 'layers\.0|attn|gate' -o three.st base.st
	# two has layer 0, three the rest
	stored one.st > list
	[ "$(grep -c nf4 list)" -eq 7 ]
	[ "$(grep -c int2 list)" -eq 2 ]
	st-diff one.st two.st > differ || true
	[ "$(grep -c 'tensor' differ)" -eq 2 ]
	! grep 'layers\.0' differ
	st-diff one.st three.st > differ || true
	! grep 'layers\.1' differ
	# the order of the programs does not matter
	quantize-int -q --recipe r.json base.st |
		quantize-nf4 -q --recipe r.json -o other.st
	same_tensors one.st other.st
}

@test "a recipe is the run by hand: GPTQ for some, rounding for some" {
	recipe '{ "modules": "self_attn.q_proj", "quantize-int": { "gptq": true } }'
	quantize-int -q --recipe r.json -d "$data" -o one.st base.st
	quantize-int -q --gptq --skip '[kvo]_proj|mlp' -d "$data" -o two.st base.st
	same_tensors one.st two.st
}

@test "a recipe is the run by hand: adapters, to the byte" {
	recipe '{ "modules": ["q_proj", "v_proj"],
		  "adapter": { "rank": 2, "alpha": 5 } },
		{ "modules": "lm_head", "adapter": false },
		{ "adapter": { "rank": 6, "alpha": 5 } }'
	train one.st --recipe r.json base.st
	train two.st -r 2 --alpha 5 --rank-pattern '[ko]_proj|.*mlp.*=6' base.st
	same_tensors one.st two.st
	lora-init --recipe r.json base.st | train three.st
	same_tensors one.st three.st
	st-ls --json one.st | jq -e '.[0].meta.adapter | has("rules") | not'
	st-export --force --to peft peft < one.st
	jq -e '.rank_pattern | length == 10' peft/adapter_config.json
	merge-adapter -q -A one.st -o m1.st base.st
	merge-adapter -q -A peft -o m2.st base.st
	same_tensors m1.st m2.st
}

@test "all kinds train in one adapter; stop, go on, threads, and a pipe" {
	train whole.st -j1 --recipe mixed.json mixed.st
	train half.st -j3 --recipe mixed.json --stop-after 4 mixed.st
	train rest.st -j2 -A half.st mixed.st
	cmp whole.st rest.st
	train rest.st --recipe mixed.json -A half.st mixed.st
	cmp whole.st rest.st
	lora-init --recipe mixed.json mixed.st | train piped.st
	same_tensors whole.st piped.st
	[ "$(st-ls whole.st | grep -c lora_magnitude_vector)" -eq 1 ]
	[ "$(st-ls whole.st | grep -c 'lora_E$')" -eq 1 ]
	train one.st --recipe mixed.json --no-pack -b 4 -g 1 mixed.st
	train two.st --recipe mixed.json --no-pack -b 1 -g 4 mixed.st
	same_tensors one.st two.st
}

@test "what was trained helps, merges, and keeps the codes it can" {
	train a.st --recipe mixed.json mixed.st
	merge-adapter --verify 100 -A a.st -o m.st mixed.st
	stored m.st > list
	[ "$(grep -c 'int3$' list)" -eq 4 ]
	[ "$(grep -c nf4 list || true)" -eq 0 ]
	before=$("$BIN/eval" -t loss -d "$data" mixed.st | jq .loss)
	after=$("$BIN/eval" -t loss -d "$data" mixed.st a.st | jq .loss)
	awk -v a="$before" -v b="$after" 'BEGIN { exit !(b < a) }'
	"$BIN/eval" -t loss -d "$data" m.st | jq -e ".loss - $after | fabs < 1e-4"
}

@test "PEFT has no form for mixed kinds, and which module shows it is said" {
	train a.st --recipe mixed.json mixed.st
	run -65 st-export --to peft none a.st
	[[ $output == *"model.layers.1.self_attn."*" is of the kind qalora"* ]]
	[[ $output == *"combine-adapters makes it LoRA"* ]]
	[ ! -e none ]
	recipe '{ "modules": "q_proj", "adapter": { "method": "iec" } },
		{ "modules": "up_proj", "adapter": { "method": "adalora" } },
		{ "adapter": { "rank": 3, "rslora": true } }'
	train a.st --recipe r.json base.st
	run -65 st-export --to peft none a.st
	combine-adapters a.st | st-export --force --to peft peft
	merge-adapter -q -A a.st -o m1.st base.st
	merge-adapter -q -A peft -o m2.st base.st
	st-diff --tolerance 1e-5 m1.st m2.st
}

@test "data on the same pipe passes; a config file may name the recipe" {
	tokenize -o data.st "$data"
	echo '{ "recipe": "mixed.json", "lr": 2e-3 }' > c.json
	cat base.st data.st | quantize-int -q --recipe mixed.json |
		quantize-nf4 -q --recipe mixed.json |
		peft-step -q -c c.json -n 10 -g 2 -o one.st
	st-check -q one.st
	[ "$(st-ls one.st | grep -c '^adapter ')" -gt 30 ]
}

@test "another recipe does not continue a run" {
	train half.st --recipe mixed.json --stop-after 4 mixed.st
	sed 's/"rank": 2/"rank": 3/' mixed.json > other.json
	refuses 78 'the run that is continued has' peft-step -q -d "$data" \
		--recipe other.json -A half.st mixed.st
	train done.st --recipe mixed.json mixed.st
	refuses 64 'the adapter is given' peft-step -q -d "$data" \
		--recipe mixed.json -A done.st mixed.st
}

@test "what the file may not say is refused before the work" {
	for p in quantize-nf4 quantize-int lora-init "peft-step -q -d $data"; do
		refuses 66 'none.json' $p --recipe none.json base.st
		echo 'no' > r.json
		refuses 78 'r.json' $p --recipe r.json base.st
		echo '{ "rules": [] }' > r.json
		refuses 78 'want {"rules"' $p --recipe r.json base.st
		echo '{ "rule": [] }' > r.json
		refuses 78 "unknown key 'rule'" $p --recipe r.json base.st
		recipe '{ "keep": true, "adapter": {} }, { "module": "q_proj" }'
		refuses 78 "rule 2: unknown key 'module'" $p --recipe r.json base.st
		recipe '{ "modules": "q_proj" }'
		refuses 78 'rule 1: says nothing' $p --recipe r.json base.st
		recipe '{ "keep": true, "quantize-nf4": {} }'
		refuses 78 'rule 1' $p --recipe r.json base.st
		recipe '{ "quantize-nf4": { "bits": 4 } }'
		refuses 78 "quantize-nf4: unknown key 'bits'" $p --recipe r.json base.st
		recipe '{ "quantize-nf4": { "block": 48 } }'
		refuses 78 'quantize-nf4: --block 48' $p --recipe r.json base.st
		recipe '{ "quantize-int": { "bits": "five" } }'
		refuses 78 'no whole number' $p --recipe r.json base.st
		recipe '{ "adapter": { "rank": 4, "ranks": 4 } }'
		refuses 78 "adapter: unknown key 'ranks'" $p --recipe r.json base.st
		recipe '{ "adapter": { "rank": 4, "rank-pattern": "q=3" } }'
		refuses 78 'not for one rule' $p --recipe r.json base.st
		recipe '{ "adapter": { "init": "pissa" } }'
		refuses 78 'without a recipe' $p --recipe r.json base.st
		for where in '' '"modules": "q_proj", '; do
			recipe "{ $where \"adapter\": { \"method\": \"prompt\" } }"
			refuses 78 'at no module; train it alone' $p \
				--recipe r.json base.st
		done
		recipe '{ "adapter": { "method": "lorra" } }'
		refuses 78 'no such method' $p --recipe r.json base.st
		recipe '{ "modules": "q_proj(", "adapter": {}, "keep": true }'
		refuses 78 'pattern' $p --recipe r.json base.st
		recipe '{ "layers": "x", "adapter": {} }'
		refuses 78 'no layer number' $p --recipe r.json base.st
	done
}

@test "rules that match nothing, or come too late, are refused before the work" {
	for p in quantize-nf4 quantize-int lora-init "peft-step -q -d $data"; do
		recipe '{ "adapter": {}, "keep": true, "modules": "q_proj" },
			{ "modules": "qproj", "quantize-nf4": {}, "adapter": {} }'
		refuses 78 'rule 2 is for no module' $p --recipe r.json base.st
		recipe '{ "adapter": {}, "keep": true, "layers": "5" }'
		refuses 78 'rule 1 is for no module' $p --recipe r.json base.st
		recipe '{ "adapter": {}, "keep": true, "modules": ["q_proj", "qproj"] }'
		refuses 78 'no matrix qproj.weight' $p --recipe r.json base.st
		recipe '{ "adapter": {}, "keep": true },
			{ "modules": "q_proj", "quantize-nf4": {}, "adapter": {} }'
		refuses 78 'rule 2 has nothing to say' $p --recipe r.json base.st
	done
}

@test "what does not go together is refused before the work, with what does" {
	for p in quantize-nf4 quantize-int; do
		recipe '{ "quantize-nf4": {}, "adapter": { "method": "qalora" } }'
		refuses 78 'quantize-int' $p --recipe r.json base.st
		recipe '{ "quantize-int": { "group": 48 } }'
		refuses 78 'rule 1' $p --recipe r.json base.st
		recipe '{ "quantize-int": {}, "adapter": { "method": "qalora",
			"qalora-group-size": 16 } }'
		refuses 78 '--qalora-group-size 32 would' $p --recipe r.json base.st
		recipe '{ "keep": true, "modules": "embed_tokens",
			"adapter": { "method": "dora" } }'
		refuses 78 'embedding' $p --recipe r.json base.st
		recipe '{ "keep": true, "adapter": { "method": "adalora",
			"rank": 4, "target-rank": 4 } }'
		refuses 78 'never falls' $p --recipe r.json base.st
		refuses 64 '--skip: with --recipe' $p --skip x --recipe mixed.json \
			base.st
	done
	refuses 64 '--rank: with --recipe' lora-init -r 3 --recipe mixed.json base.st
	refuses 64 '--block: with' quantize-nf4 --block 32 --recipe mixed.json base.st
	recipe '{ "quantize-nf4": {} }'
	refuses 78 'no rule makes an adapter' lora-init --recipe r.json base.st
	recipe '{ "modules": "q_proj", "adapter": { "method": "adalora",
			"rank": 6, "tinit": 1, "tfinal": 1 } },
		{ "adapter": { "method": "adalora", "rank": 6, "tinit": 2,
			"tfinal": 1 } }'
	refuses 78 'another --tinit' peft-step -q -n 10 -d "$data" \
		--recipe r.json base.st
	refuses 65 'no data to calibrate' quantize-int --recipe mixed.json base.st
}
