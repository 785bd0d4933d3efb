#!/bin/sh
# Files stay readable: none over 400 lines, none wider than 80 columns (a tab
# is 8), no function over 60 lines (a data table is no function).
find libcommon formats tools tests -name '*.[ch]' | while read -r f; do
	expand "$f" | awk -v f="$f" '
		length($0) > 80 { print f ":" NR ": " length($0) " columns" }
		/^[a-z].*[^;=]$/ && !/=/ { head = NR }
		/^{/ { start = NR }
		/^}/ {
			if (start && NR - start > 61)
				print f ":" start ": " NR - start " lines"
			start = 0
		}
		END { if (NR > 400) print f ": " NR " lines" }'
done | { ! grep .; }
