#!/bin/sh
# The main job on the bundled history of the orders service: before and after its flaky tests were mended.
# $FLAKEDIAG is the command, $DEMO a folder for the two histories.
set -eu

say() { printf '\n%s\n' "\$ flakediag $*"; }

gate() { # a tripped gate is what the first half is there to show, so its exit code is printed, not passed on
    say "gate --max-flaky-rate 1%"
    set +e
    "$FLAKEDIAG" --db "$1" gate --max-flaky-rate 1%
    echo "exit code $?"
    set -e
}

rm -rf "$DEMO"
for phase in before after; do
    recording="fixtures/recordings/orders/$phase.tar.xz"
    say "ingest $recording"
    "$FLAKEDIAG" --db "$DEMO/$phase.db" ingest "$recording"
    say "report"
    "$FLAKEDIAG" --db "$DEMO/$phase.db" report
    gate "$DEMO/$phase.db"
done
say "report --format html -o $DEMO/flaky.html"
"$FLAKEDIAG" --db "$DEMO/before.db" report --format html -o "$DEMO/flaky.html"

printf '\n%s\n' "Look closer: $FLAKEDIAG --db $DEMO/before.db show TEST"
printf '%s\n' "Or in a browser: $DEMO/flaky.html"
