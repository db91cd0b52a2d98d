# shellcheck shell=bash
# What the person at the terminal sees. All of it goes to stderr: stdout belongs to answers (`env`) and to the commands
# that are run inside.

say() {
    printf '%s\n' "$*" >&2
}

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Runs a long command with its output in a log, and says every ten seconds that it is still at it.
# usage: with_progress LABEL LOG COMMAND...
with_progress() {
    local label=$1 log=$2 ticker status=0
    shift 2
    say "  $label ..."
    tick "$label" &
    ticker=$!
    "$@" >>"$log" 2>&1 || status=$?
    kill "$ticker" 2>/dev/null || true
    wait "$ticker" 2>/dev/null || true
    ((status == 0)) || show_tail "$log"
    return "$status"
}

tick() {
    local label=$1 began=$SECONDS
    # The last sleep outlives us by a little: it must hold neither the terminal nor the locks.
    exec 7>&- 8>&- 9>&-
    while sleep 10 >/dev/null 2>&1; do
        say "  $label ... $((SECONDS - began)) s"
    done
}

show_tail() {
    say "--- last lines of $1"
    tail -n 20 "$1" >&2 || true
    say "---"
}
