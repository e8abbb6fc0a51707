# For the other scripts here: apt-get that waits for whoever holds its locks, and work that says every
# minute that it goes on.

# Waits for both locks: apt's option knows dpkg's, the one of the package lists must be tried again.
apt_get() {
    local errors tries status
    errors=$(mktemp)
    for tries in $(seq 120); do
        status=0
        apt-get -o DPkg::Lock::Timeout=1200 "$@" >/dev/null 2>"$errors" || status=$?
        [ "$status" != 0 ] && grep -qE 'Could not get lock|Unable to lock' "$errors" || break
        [ "$tries" = 1 ] && echo "$(basename "$0"): waiting for another apt-get to end" >&2
        sleep 10
    done
    [ "$status" = 0 ] || cat "$errors" >&2
    rm -f "$errors"
    return "$status"
}

# Runs a command; while it takes longer than a minute, one line per minute says what is going on.
patiently() { # WHAT COMMAND...
    local what=$1 ticker status=0
    shift
    (
        minutes=0
        # The last sleep outlives this; it must not hold what somebody reads.
        while sleep 60 </dev/null >/dev/null 2>&1; do
            minutes=$((minutes + 1))
            echo "$(basename "$0"): $what, $minutes min so far" >&2
        done
    ) &
    ticker=$!
    "$@" || status=$?
    kill "$ticker" 2>/dev/null || true
    wait "$ticker" 2>/dev/null || true
    return "$status"
}
