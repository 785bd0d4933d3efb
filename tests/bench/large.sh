#!/bin/bash
# large.sh - bases larger than memory: from a generator to training steps
#
# For each of SHAPES (7b 13b 33b 65b; default 7b): a base of that shape out of
# noise goes through quantize-nf4 to a file, and then takes STEPS (3) optimizer
# steps of peft-step on a batch that repeats, for each of TOKENS (64 512) and
# BUDGETS (4G 8G 16G). OPTIONS: more of them for peft-step. LAYERS: so many of
# the shape's, to try things out. BASES: a folder; what is there as 65b.st is not
# made anew.
#
# Beside each row stands what bounds it, measured in the same run: the plan's
# products (with what is computed twice) at the rate of one layer by itself, and
# the least that has to be read at the disk's rate: 2(N - C) for N bytes of the
# base and a capacity of C, and what a step carries, which takes the place of as
# much of the base. It fails if a loss is not finite or does not fall, if more is
# resident than the budget, and if more is read than the least, by 2 % and the
# largest page, for what stays free where the next does not fit. Times are only
# shown. Writes the tables of docs/performance.md, between their
# marks (PAGE: another file).
#
# ROWS: files ROWS.bases and ROWS.steps, where rows stay from one run to the
# next, so that a table can be made row by row; a row that is run again takes
# the place of the old one.
#
# DIR (default: TMPDIR, or /tmp) needs room for the largest base: 4, 7, 17 and
# 34 GB; an hour for 65b. All of it is removed at the end, also after Ctrl-C.
set -eu
cd "$(dirname "$0")/../.."
. tests/bench/lib.sh
shapes=${SHAPES:-7b} budgets=${BUDGETS:-4G 8G 16G} lengths=${TOKENS:-64 512}
steps=${STEPS:-3} page=${PAGE:-docs/performance.md} layers_asked=${LAYERS:-0}
read -r -a options <<< "${OPTIONS-}"
vocab=32000
tmp=$(mktemp -d "${DIR:-${TMPDIR:-/tmp}}/large.XXXXXX")
clean() { # the first signal only asks peft-step to end after its step
	trap - EXIT INT TERM HUP
	kill $(jobs -p) 2> /dev/null && sleep 0.5
	kill $(jobs -p) 2> /dev/null || true
	wait
	rm -rf "$tmp"
}
trap clean EXIT
trap 'clean; exit 130' INT TERM HUP

say() {
	printf '%s\n' "$*" >&2
}
# Of rows with the same first fields the last, in order.
latest() { # FIELDS FILE
	awk -F '|' -v n="$1" '{ k = ""; for (i = 1; i <= n; i++) k = k "|" $i }
		!(k in at) { at[k] = ++rows }
		{ row[at[k]] = $0 }
		END { for (i = 1; i <= rows; i++) print row[i] }' "$2"
}
keep_rows() {
	[ -n "${ROWS-}" ] || return 0
	latest 1 "$tmp/bases" > "$ROWS.bases"
	latest 3 "$tmp/steps" > "$ROWS.steps"
	cp "$ROWS.bases" "$tmp/bases"
	cp "$ROWS.steps" "$tmp/steps"
}
calc() { # EXPRESSION
	awk "BEGIN { printf \"%.6g\\n\", $(tr '\n' ' ' <<< "$1") }"
}
now() {
	date +%s.%N
}

# Sets layers, hidden, inner; weights of the layers, and of the ends.
choose() { # SHAPE
	case $1 in
	7b) layers=32 hidden=4096 inner=11008 ;;
	13b) layers=40 hidden=5120 inner=13824 ;;
	33b) layers=60 hidden=6656 inner=17920 ;;
	65b) layers=80 hidden=8192 inner=22016 ;;
	*) say "large.sh: $1: no such shape"; exit 64 ;;
	esac
	[ "$layers_asked" = 0 ] || layers=$layers_asked
	linear=$((layers * (4 * hidden * hidden + 3 * hidden * inner)))
	ends=$((2 * vocab * hidden))
}

# Room for the base and for what measures the disk, and a little more.
check_room() {
	local need have
	need=$(((linear * 52 / 100 + 2 * ends) / 1000000 + 2600))
	have=$(df -B 1000000 --output=avail "$tmp" | tail -n 1)
	if [ "$have" -lt "$need" ]; then
		say "large.sh: $tmp: $need MB are needed, there are $have"
		exit 73
	fi
}

# GB/s past the page cache: "write read".
disk_rates() {
	local n=512 start middle end
	start=$(now)
	dd if=/dev/zero of="$tmp/disk" bs=4M count=$n oflag=direct \
		conv=fsync status=none
	middle=$(now)
	dd if="$tmp/disk" of=/dev/null bs=4M iflag=direct status=none
	end=$(now)
	rm "$tmp/disk"
	calc "$n * 4.194304e-3 / ($middle - $start)"
	calc "$n * 4.194304e-3 / ($end - $middle)"
}

batch() { # TOKENS: a sequence of noise, once a step
	awk -v n="$1" -v steps="$steps" -v vocab="$vocab" 'BEGIN {
		srand(1)
		s = "1"
		for (t = 1; t < n; t++)
			s = s ", " int(3 + rand() * (vocab - 3))
		while (steps--)
			print "{\"input_ids\": [" s "], \"labels\": [" s "]}"
	}'
}

# ---- the base ----

quantise() { # SHAPE
	local start end few=$((layers < 4 ? layers : 4)) alone
	if [ -n "${BASES-}" ] && [ -e "$BASES/$1.st" ]; then
		ln -s "$(realpath "$BASES/$1.st")" "$tmp/base.st"
		return
	fi
	check_room
	start=$(now)
	"$bench/large" --shape "$1" --layers $few > /dev/null
	end=$(now)
	alone=$(calc "2 * ($linear / $layers * $few + $ends) /
		($end - $start) / 1e9")
	start=$(now)
	with_memory "$tmp/mb" "$bin/quantize-nf4" -q -u -o "$tmp/base.st" < <(
		"$bench/large" --shape "$1" --layers "$layers")
	end=$(now)
	echo "$1|$(calc "2 * ($linear + $ends) / 1e9")|$(calc \
		"$(stat -c %s "$tmp/base.st") / 1e9")|$(calc "$end - $start")|$(
		)$alone|${disk[0]}|${disk[1]}|$(cat "$tmp/mb")" |
		tee -a "$tmp/bases" >&2
}

# ---- steps ----

# GB/s past the page cache, of the base: of as much as a step reads, but 8 GB at
# the most, since many disks are faster for a second than for a minute.
reading_rate() {
	local n=$(($(stat -L -c %s "$tmp/base.st") / 4194304)) start
	n=$((n > 2048 ? 2048 : n))
	start=$(now)
	dd if="$tmp/base.st" of=/dev/null bs=4M count=$n iflag=direct \
		status=none
	calc "$n * 4.194304e-3 / ($(now) - $start)"
}

# GFLOP/s of the products in a layer of this shape.
product_rate() { # SHAPE TOKENS
	"$bench/layers" -j "$(nproc)" -s 3 -t "$2" "${1^^}" |
		awk 'NR == 2 { print $5 }'
}

train() { # BUDGET TOKENS [option ...]
	local budget=$1 tokens=$2
	shift 2
	with_memory "$tmp/mb" "$bin/peft-step" -q -r 8 -m "$budget" \
		-b 1 -g 1 --no-pack --no-shuffle --lr-scheduler constant \
		-n "$steps" "${options[@]}" -d "$tmp/$tokens.jsonl" \
		-o "$tmp/a.st" "$@" "$tmp/base.st"
}

# A step's GFLOP in frozen products: forward, again, backward (but for what
# lies below the lowest adapter), and the head's two where a label is.
products() { # TOKENS RECOMPUTED
	calc "(2 * $1 * $linear * (2 + $2 / $layers) -
		6 * $1 * $hidden * $hidden +
		2 * ($1 - 1) * $ends) / 1e9"
}

# A number of the plan that --dry-run printed.
planned() { # NAME
	awk -v name="$1" '$1 == name { n = $2 } END { print n + 0 }' \
		"$tmp/plan"
}

# Of the log: seconds a step, first and last loss, GB read and written a step,
# seconds of a step that it stood still, and whether the losses are what they
# should be. Differences of steps, where there are two: the first one finds
# nothing read.
log_numbers() {
	jq -s -r 'map(select(.loss)) | . as $l | (length - 1) as $n |
		def each(f): if $n == 0 then .[0] | f
			else ((.[-1] | f) - (.[0] | f)) / $n end;
		[each(.elapsed), .[0].loss, .[-1].loss,
		 each(.page_read_bytes // 0) / 1e9,
		 each(.page_written_bytes // 0) / 1e9,
		 each(.page_stall_seconds // 0),
		 (all(.loss | . > 0 and . < 100)) and
		 ($n == 0 or .[-1].loss < .[0].loss)] | map(tostring) |
		join(" ")' "$tmp/log"
}

# Fails where a row's numbers are not what was promised; they have no times.
check_row() { # NAME FINE MB BUDGET READ LEAST
	local page=$((hidden * (inner > vocab * 4 ? inner : vocab * 4) / 2))
	[ "$2" = true ] || { say "large.sh: $1: the loss"; exit 1; }
	[ "$3" -le "$(($(numfmt --from=iec "$4") / 1048576))" ] || {
		say "large.sh: $1: $3 MB are resident"; exit 1; }
	[ "$(calc "$5 <= $6 * 1.02 + $page / 1e9")" = 1 ] || {
		say "large.sh: $1: $5 GB were read, of $6"; exit 1; }
}

row() { # SHAPE BUDGET TOKENS
	local name="$1|$2|$3" before after products least disk_before disk_after
	local seconds first last got put stalled fine
	if ! train "$2" "$3" --dry-run > "$tmp/plan" 2> "$tmp/err"; then
		echo "$name|$(tail -n 1 "$tmp/err")" |
			tee -a "$tmp/steps" >&2
		return
	fi
	disk_before=$(reading_rate)
	before=$(product_rate "$1" "$3")
	if ! train "$2" "$3" --log "$tmp/log" --log-times 2> "$tmp/err"; then
		say "large.sh: $name: $(tail -n 1 "$tmp/err")"
		exit 1
	fi
	after=$(product_rate "$1" "$3")
	disk_after=$(reading_rate)
	products=$(calc "$(products "$3" "$(planned recomputed)") * 2 /
		($before + $after)")
	read -r seconds first last got put stalled fine <<< "$(log_numbers)"
	least=$(awk '{ v[$1] = $2 }
		END { s = 2 * (v["paged"] - v["page_capacity"])
			print ((s > 0 ? s : 0) + v["carried"]) / 1e9 }' \
		"$tmp/plan")
	echo "$name|$seconds|$products|$(calc "$least * 2 /
		($disk_before + $disk_after)")|$got|$least|$(
		)$put|$(calc "$stalled / $seconds")|$(cat "$tmp/mb")|$(
		cat "$tmp/mb.mapped")|$first|$last" | tee -a "$tmp/steps" >&2
	check_row "$name" "$fine" "$(cat "$tmp/mb")" "$2" "$got" "$least"
}

# ---- tables ----

machine() {
	local how="SHAPES=\"$shapes\" BUDGETS=\"$budgets\" TOKENS=\"$lengths\""
	how+=" STEPS=$steps${OPTIONS:+ OPTIONS=\"$OPTIONS\"}"
	echo "$(date -u +%F), $(grep -m 1 'model name' /proc/cpuinfo |
		sed 's/.*: //'), $(nproc) processors, $(awk '/^MemTotal/ {
		printf "%.0f GB", $2 / 1e6 }' /proc/meminfo)." \
		"Load at the end: $(cut -d ' ' -f 1 /proc/loadavg)." \
		"\`$how${LAYERS:+ LAYERS=$LAYERS} make bench-large\`."
}

quantised() {
	printf '\n### Quantising: the generator through quantize-nf4 to a file\n\n'
	echo '| base | bf16, GB | NF4, GB | s | GB/s | generator alone |' \
		'disk: writing, GB/s | reading | MB |'
	echo '|---|---:|---:|---:|---:|---:|---:|---:|---:|'
	awk -F '|' '{ printf "| %s | %.1f | %.1f | %.0f | %.2f | %.2f | %.2f" \
		" | %.2f | %d |\n", $1, $2, $3, $4, $2 / $4, $5, $6, $7, $8 }' \
		"$tmp/bases"
}

tables() {
	machine
	[ ! -s "$tmp/bases" ] || quantised
	printf '\n### Steps of training under a budget\n\n'
	echo '| base | budget | tokens | s a step | products, s | reading, s |' \
		'ratio | read, GB | least, GB | written | stalled | MB |' \
		'mapped, MB | loss, first | last |'
	echo '|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|'\
'---:|---:|'
	awk -F '|' 'NF < 6 { printf "| %s | %s | %s | %s |" \
		" | | | | | | | | | | |\n", $1, $2, $3, $4; next }
	{ bound = $5 > $6 ? $5 : $6
	  printf "| %s | %s | %d | %.1f | %.1f | %.1f | %.2f | %.2f | %.2f |" \
		" %.2f | %.1f %% | %d | %d | %.3f | %.3f |\n", $1, $2, $3, $4,
		$5, $6, $4 / bound, $7, $8, $9, 100 * $10, $11, $12, $13,
		$14 }' \
		"$tmp/steps"
	echo
}

for kind in bases steps; do
	: > "$tmp/$kind"
	[ ! -e "${ROWS:-.}.$kind" ] || cp "$ROWS.$kind" "$tmp/$kind"
done
for length in $lengths; do
	batch "$length" > "$tmp/$length.jsonl"
done
for shape in $shapes; do
	choose "$shape"
	mapfile -t disk < <(disk_rates)
	quantise "$shape"
	keep_rows
	for length in $lengths; do
		for budget in $budgets; do
			row "$shape" "$budget" "$length"
			keep_rows
		done
	done
	rm "$tmp/base.st"
done
tables > "$tmp/tables"
between_marks large "$tmp/tables" "$page"
cat "$tmp/tables"
