#!/bin/bash
# programs.sh - bytes a second through the programs, beside pipe and disk
#
# The input is the real model (WEFT_MODEL, the GGUF file), or a stream that is
# named as the operand. Rates are of the input's bytes; best of TURNS. pipe:
# cat through a pipe; disk: cat to a file, with fsync. A program's share is of
# the one of them that it goes through: of a file's reading it is of cat's.
set -eu
cd "$(dirname "$0")/../.."
. tests/bench/lib.sh
begin_with_model programs
turns=${TURNS:-3}
for type in f32 bf16; do
	"$bin/st-import" --dtype "$type" -u -o "$tmp/$type.st" "$WEFT_MODEL"
done
"$bin/st-import" --dtype bf16 -o "$tmp/bf16z.st" "$WEFT_MODEL"
"$bin/st-export" --to hf "$tmp/hf" < "$tmp/f32.st"
hf=$(find "$tmp/hf" -name '*.safetensors')
TIMEFORMAT='%R %U %S'

# name, the input whose bytes count, the row that it is compared with, command
row() {
	local name=$1 input=$2 against=$3 i
	shift 3
	for ((i = 0; i < turns; i++)); do
		{ time bash -c "$*" > /dev/null 2>> "$tmp/err"; } 2>&1
	done | sort -n | head -n 1 |
		awk -v name="$name" -v against="$against" \
		-v mb="$(stat -L -c %s "$input")" -v file="$tmp/rates" '
		{ rate = mb / $1 / 1e6
		  while ((getline line < file) > 0) {
			split(line, f, "\t")
			if (f[1] == against) base = f[2]
		  }
		  close(file)
		  printf "%s\t%f\n", name, rate >> file
		  share = base ? sprintf("%5.0f%%", 100 * rate / base) : ""
		  printf "%-34s %8.0f %7.2f %7.2f %7s\n", name, rate, $2, $3,
			share }'
}

export T=$tmp B=$bin
: > "$tmp/rates"
printf '%-34s %8s %7s %7s %7s\n' '' MB/s user sys share
for type in f32 bf16; do
	in=$tmp/$type.st
	export I=$in
	row "$type pipe" "$in" "" 'cat "$I" | cat'
	row "$type disk" "$in" "" \
		'dd if="$I" of="$T/copy" bs=1M conv=fsync status=none'
	row "$type st-check file" "$in" "$type pipe" '"$B/st-check" "$I"'
	row "$type st-check pipe" "$in" "$type pipe" 'cat "$I" | "$B/st-check"'
	row "$type quantize-nf4 file to pipe" "$in" "$type pipe" \
		'"$B/quantize-nf4" "$I" | cat'
	row "$type quantize-nf4 pipe to pipe" "$in" "$type pipe" \
		'cat "$I" | "$B/quantize-nf4" | cat'
	row "$type quantize-nf4 file to file" "$in" "$type disk" \
		'"$B/quantize-nf4" -o "$T/q.st" "$I"'
done
export I=$tmp/bf16z.st
row "bf16, zstd, pipe" "$I" "" 'cat "$I" | cat'
row "bf16, zstd, st-check pipe" "$I" "bf16, zstd, pipe" \
	'cat "$I" | "$B/st-check"'
row "bf16, zstd, quantize-nf4 pipe" "$I" "bf16, zstd, pipe" \
	'cat "$I" | "$B/quantize-nf4" | cat'
export I=$hf
row "safetensors pipe" "$I" "" 'cat "$I" | cat'
row "safetensors disk" "$I" "" \
	'dd if="$I" of="$T/copy" bs=1M conv=fsync status=none'
row "st-import -u file to pipe" "$I" "safetensors pipe" \
	'"$B/st-import" -u "$I" | cat'
row "st-import -u file to file" "$I" "safetensors disk" \
	'"$B/st-import" -u -o "$T/i.st" "$I"'
row "st-import file to pipe" "$I" "safetensors pipe" \
	'"$B/st-import" "$I" | cat'
