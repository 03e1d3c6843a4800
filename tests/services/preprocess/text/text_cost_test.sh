#!/usr/bin/env bash
# Ten times the text may cost at most twelve times the instructions, whatever the text.
# Counted by callgrind, so the machine's speed and load do not matter.
set -euo pipefail
program=$1

if ! command -v valgrind >/dev/null; then
  echo "SKIPPED: valgrind is not installed, so instructions cannot be counted"
  exit 77
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

count() {  # SHAPE BYTES -> instructions
  valgrind --tool=callgrind --callgrind-out-file="$scratch/out" --collect-atstart=no \
    --toggle-collect=CountedEncode --toggle-collect=CountedSplit \
    "$program" "$1" "$2" >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; return 1; }
  sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$scratch/log"
}

failed=0
for shape in $("$program" shapes); do
  small=10000
  [ "$shape" != word ] || small=100000  # a megabyte of one unbroken word
  few=$(count "$shape" $small)
  many=$(count "$shape" $((small * 10)))
  echo "$shape: $few instructions for $small bytes, $many for $((small * 10))"
  if [ "$few" -lt "$small" ] || [ "$many" -gt $((few * 12)) ]; then
    echo "FAILED: $shape costs more than 12 times as much for 10 times the text"
    failed=1
  fi
done
exit $failed
