#!/bin/bash
# papers.sh [page] - every paper's pipeline on one model and the same questions,
# and the tables of docs/methods-compared.md, between its marks
#
# page: nothing is run; the tables have what is there.
# MODEL (or WEFT_MODEL): the GGUF file; none: SmolLM2-135M-Instruct. STEPS: of
# each training; ASKED: questions. PAPERS: some of the pipelines; merging wants
# what lora and qlora made. BENCH=: speed and memory are not measured. PAGE:
# another file to write. All is kept in $O/papers, so that a run which was
# stopped goes on.
set -eu
cd "$(dirname "$0")/../.."
. tests/bench/lib.sh
O=${O:-build} steps=${STEPS:-16} asked=${ASKED:-24}
case $O in /*) ;; *) O=$PWD/$O ;; esac
out=$O/papers page=${PAGE:-docs/methods-compared.md}
papers=${PAPERS:-lora qlora adalora qalora modulora irqlora prompt merging \
	guanaco}
model=${MODEL:-${WEFT_MODEL-}}
mkdir -p "$out"
[ -s "$out/text.txt" ] ||
	head -c 3000 tests/golden/G/perplexity.txt > "$out/text.txt"

pipeline() { # NAME VARIABLE=VALUE ...
	local name=$1
	shift
	echo "== $name" >&2
	${MAKE:-make} --no-print-directory -s -f "pipelines/$name.mk" BIN="$O/bin" \
		OUT="$out/$name" MODEL="$model" STEPS="$steps" \
		STEP_MORE=-q ${TEMPLATE:+TEMPLATE="$TEMPLATE"} "$@" >&2
}
asks=(SHARED="$out" TEXT="$out/text.txt" ASKED="$asked"
	TRAIN_STORIES=$((steps * 6)))

# SmolLM2's weights were 4 bits in groups of 32 already, as qalora.mk makes
# them: GPTQ has nothing to make up for there.
run() {
	local p
	for p in $papers; do
		case $p in
		qalora) pipeline "$p" "${asks[@]}" GPTQ= ;;
		merging) pipeline "$p" "${asks[@]}" LORA="$out/lora" \
			QLORA="$out/qlora" ;;
		guanaco) pipeline "$p" STEPS=$((steps / 2)) ;;
		*) pipeline "$p" "${asks[@]}" ;;
		esac
	done
}
[ "${1-}" = page ] || run

there=
for p in $papers; do
	case $p in
	merging | guanaco) ;; # have tables of their own
	*) [ ! -s "$out/$p/results.tsv" ] || there="$there $p" ;;
	esac
done

title() { # the paper's short name
	sed -n '1s/.* - \([^:]*\).*/\1/p' "pipelines/$1.mk"
}
state() { # STATE
	case $1 in
	base) echo 'the model' ;;
	tuned) echo 'with the adapter' ;;
	*) echo "$1" ;;
	esac
}

# "TITLE, STATE" and then results.tsv's fields, for each state of each.
all_states() {
	local p s rest
	for p in $there; do
		while IFS=$'\t' read -r s rest; do
			[ "$s" = base ] && [ "$p" != "$1" ] && continue
			if [ "$s" = base ]; then
				printf '%s\t%s\n' "$(state base)" "$rest"
			else
				printf '%s, %s\t%s\n' "$(title "$p")" \
					"$(state "$s")" "$rest"
			fi
		done < "$out/$p/results.tsv"
	done
}

before_and_after() {
	echo '| | bits | MB | loss | exact | F1 | perplexity |'
	echo '|---|---:|---:|---:|---:|---:|---:|'
	awk -F '\t' '{ printf "| %s | %.2f | %.1f | %.3f | %s | %s | %s |\n",
		$1, $2, $3 / 1e6, $4, $5, $6, $7 }' "$out/states.tsv"
}
speeds() {
	echo '| | read/s | write/s | ms a token read | written | MB held |'
	echo '|---|---:|---:|---:|---:|---:|'
	awk -F '\t' '$8 != "-" { printf "| %s | %.0f | %.1f | %.2f | %.1f | %.0f |\n",
		$1, $8, $9, $10, $11, $12 / 1e6 }' "$out/states.tsv"
}

trainings() {
	local p
	echo '| | trained parameters | tokens | s | processor s |' \
		'tokens a processor s | MB |'
	echo '|---|---:|---:|---:|---:|---:|---:|'
	for p in $there; do
		"$bin/st-ls" "$out/$p/adapter.st" |
			awk -v name="$(title "$p")" '
			NR == FNR { if ($1 == "total") n = $4; next }
			{ for (i = 1; i < NF; i++) {
				gsub(/[",:{}]/, "", $i)
				if ($i != "") v[$i] = $(i + 1) + 0
			  }
			  if (v["memory_bytes"] > most) most = v["memory_bytes"] }
			END { tokens = v["num_input_tokens_seen"]
			  cpu = v["cpu_seconds"]
			  rate = cpu > 0 ? tokens / cpu : 0
			  printf "| %s | %d | %d | %.0f | %.0f | %.0f | %.0f |\n",
				name, n, tokens, v["elapsed"], cpu, rate,
				most / 1e6 }' \
			- "$out/$p/train.log"
	done
}

# Rows: what is done with an adapter; columns: what it was trained on.
merging() {
	echo '| | bits | full: loss | exact | F1 | perplexity |' \
		'NF4: loss | exact | F1 | perplexity |'
	echo '|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|'
	awk -F '\t' 'BEGIN {
		say["beside-full"] = "beside the full base"
		say["beside-nf4"] = "beside the base in NF4"
		say["into-full"] = "merged into the full base"
		say["into-full-nf4"] = "that, quantised to NF4"
		say["into-nf4"] = "merged into the base in NF4, dense"
		say["into-nf4-nf4"] = "that, quantised to NF4 again"
	}
	{ on = $1; sub(/-.*/, "", on)
	  way = substr($1, length(on) + 2)
	  if (!(way in bits)) order[++n] = way
	  bits[way] = $2
	  cell[on, way] = sprintf("%.3f | %s | %s | %s", $4, $5, $6, $7) }
	END { for (i = 1; i <= n; i++)
		printf "| %s | %.2f | %s | %s |\n", say[order[i]],
			bits[order[i]], cell["full", order[i]],
			cell["nf4", order[i]] }' "$out/merging/results.tsv"
}

block() { # FILE
	echo '```'
	cat "$1"
	echo '```'
}

tables() {
	echo "$(machine). \`STEPS=$steps ASKED=$asked make papers\`."
	printf '\n### Before and after\n\n'
	before_and_after
	printf '\n### What training took\n\n'
	trainings
	if cut -f 8 "$out/states.tsv" | grep -qvx -- -; then
		printf '\n### Reading and writing\n\n'
		speeds
	fi
	if [ -s "$out/adalora/ranks.txt" ]; then
		printf '\n### Where AdaLoRA kept its ranks\n\n'
		block "$out/adalora/ranks.txt"
	fi
	if [ -s "$out/merging/results.tsv" ]; then
		printf '\n### Where to train and where to merge\n\n'
		merging
	fi
	if [ -s "$out/guanaco/report.txt" ]; then
		printf '\n### Guanaco\n\n'
		block "$out/guanaco/report.txt"
	fi
	echo
}

all_states $there > "$out/states.tsv"
tables > "$out/tables"
cat "$out/tables"
between_marks tables "$out/tables" "$page"
