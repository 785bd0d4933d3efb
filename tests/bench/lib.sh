# lib.sh - what the benchmarks in shell share; sourced

unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
bin=${O:-build}/bin
bench=${O:-build}/bench

# $tmp, a folder that goes when the script ends; which it does here, where there
# is no real model.
begin_with_model() { # NAME
	if [ -z "${WEFT_MODEL-}" ]; then
		echo "$1: WEFT_MODEL is not set"
		exit 0
	fi
	tmp=$(mktemp -d)
	trap 'rm -rf "$tmp"' EXIT
}

# The real model as $tmp/bf16.st and $tmp/nf4.st.
model_bases() {
	"$bin/st-import" -u -o "$tmp/bf16.st" "$WEFT_MODEL"
	"$bin/quantize-nf4" -u -o "$tmp/nf4.st" "$tmp/bf16.st"
}

# N sequences of LENGTH random tokens, all labelled. VOCAB: of how many.
random_data() { # N LENGTH
	awk -v n="$1" -v length_="$2" -v vocab="${VOCAB:-49000}" 'BEGIN {
		srand(1)
		for (i = 0; i < n; i++) {
			s = "1"
			for (t = 1; t < length_; t++)
				s = s ", " int(3 + rand() * (vocab - 3))
			print "{\"input_ids\": [" s "], \"labels\": [" s "]}"
		}
	}'
}

# Runs a command; its most resident memory of its own (anonymous and shared), in
# MB, goes to FILE, and that of mapped files to FILE.mapped.
with_memory() { # FILE COMMAND ...
	local to=$1 pid most=0 mapped=0 now file name kb
	shift
	"$@" <&0 &
	pid=$!
	while kill -0 "$pid" 2> /dev/null; do
		now=0 file=0
		while read -r name kb _; do
			case $name in
			RssAnon: | RssShmem:) now=$((now + kb)) ;;
			RssFile:) file=$kb ;;
			esac
		done 2> /dev/null < "/proc/$pid/status" || true
		[ "$now" -gt "$most" ] && most=$now
		[ "$file" -gt "$mapped" ] && mapped=$file
		sleep 0.2
	done
	echo $((most / 1024)) > "$to"
	echo $((mapped / 1024)) > "$to.mapped"
	wait "$pid"
}

# "best median" of the steps' tokens a second in a log, the first step left out.
log_rates() { # LOG
	jq -s -r '[.[] | select(.loss)] | [.[:-1], .[1:]] | transpose |
		map((.[1].num_input_tokens_seen - .[0].num_input_tokens_seen) /
		    (.[1].elapsed - .[0].elapsed)) | sort |
		"\(.[-1]) \(.[(length / 2 | floor)])"' "$1"
}

# "best median MB" of $steps steps of peft-step on $tmp/BASE.st; what it said is
# in $tmp/err, also when it fails.
run_steps() { # BASE LENGTH THREADS OPTION ...
	with_memory "$tmp/mb" "$bin/peft-step" -q -j "$3" "${@:4}" --no-pack \
		--lr-scheduler constant -n "$steps" --profile \
		--log "$tmp/log" --log-times -d "$tmp/$2.jsonl" \
		-o "$tmp/a.st" "$tmp/$1.st" 2> "$tmp/err" &&
		echo "$(log_rates "$tmp/log") $(cat "$tmp/mb")"
}

# Parameters in products: linear layers, and the head, which may be the
# embedding.
product_parameters() { # BASE.st
	"$bin/st-ls" "$1" | awk '
		match($0, /[0-9]+x[0-9]+ /) {
			split(substr($0, RSTART, RLENGTH), s, "x")
			if ($1 == "linear") sum += s[1] * s[2]
			if ($1 == "head") head = s[1] * s[2]
			if ($1 == "embed") tied = s[1] * s[2]
		}
		END { printf "%.0f\n", sum + (head ? head : tied) }'
}

# The day, the processor, how many, how much memory.
machine() {
	echo "$(date -u +%F), $(grep -m 1 'model name' /proc/cpuinfo |
		sed 's/.*: //'), $(nproc) processors, $(awk '/^MemTotal/ {
		printf "%.0f GB", $2 / 1e6 }' /proc/meminfo)"
}

# What stands between the marks NAME and "end of NAME" of a page becomes FILE.
between_marks() { # NAME FILE PAGE
	local text
	text=$(awk -v name="$1" -v file="$2" '
		$0 == "<!-- " name " -->" {
			print
			while ((getline line < file) > 0)
				print line
			skip = 1
		}
		$0 == "<!-- end of " name " -->" { skip = 0 }
		!skip' "$3")
	printf '%s\n' "$text" > "$3"
}
