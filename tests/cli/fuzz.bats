# What the fuzz targets were fed before, once more.

@test "every fuzz target stands its corpus" {
	for f in tests/fuzz/*.c; do
		name=$(basename "$f" .c)
		run "$O/fuzz/$name" "tests/fuzz/corpus/$name/"*
		[ "$status" -eq 0 ] || { echo "$name: $output"; false; }
	done
}
