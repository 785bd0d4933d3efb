# memory.sh - how much memory a reading of so much data takes; sourced

# SIZE bytes, about, of records {"text": ...}, no two alike.
records() { # SIZE
	awk -v size="$1" 'BEGIN {
		srand(1)
		n = split("the a weft warp loom thread is was drawn through " \
			"over under and of in on it shuttle cloth don\x27t " \
			"12 years ago, once. never; always! \\n", word, " ")
		for (i = 0; sum < size; i++) {
			s = i
			for (k = 10 + int(rand() * 150); k > 0; k--)
				s = s " " word[1 + int(rand() * n)]
			print "{\"text\": \"" s "\"}"
			sum += length(s) + 13
		}
	}'
}

# Runs a program with its input from COMMAND and prints its most resident
# memory in kB, which is read when all has been written and before the end.
peak() { # COMMAND PROGRAM ARG ...
	local pid pipe status=0 input=$1
	shift
	pipe=$(mktemp -u "${BATS_TEST_TMPDIR:-/tmp}/pipe.XXXXXX")
	mkfifo "$pipe"
	"$@" < "$pipe" > /dev/null 3>&- &
	pid=$!
	exec 9> "$pipe"
	rm "$pipe"
	eval "$input" >&9 || status=$?
	awk '/^VmHWM/ { print $2 }' "/proc/$pid/status"
	exec 9>&-
	wait "$pid" || status=$?
	return "$status"
}

# No program gets more than so much memory from here on; but with a sanitizer,
# which reserves terabytes, as much as it likes.
bound() { # kB
	if (ulimit -v "$1" && "$BIN/st-ls" --version > /dev/null 2>&1); then
		ulimit -v "$1"
	fi
}
