# refuses.sh - what bad input gets: a status, and one line; loaded

refuses() { # STATUS WORDS PROGRAM ARG ...
	local want=$1 words=$2 program=$3
	shift 3
	run --separate-stderr -"$want" "$BIN/$program" "$@"
	echo "$stderr"
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ $stderr == "$program: "*$words* ]]
}
