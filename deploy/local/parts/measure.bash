# shellcheck shell=bash
# Measurements: real processes under load, on real servers. The last line of stdout is a line of JSON.

measurements=(poll join proxy idle million stock catalog sign-in orders expiry draw drop-day drill-autopilot drill-no-shows
    drill-kills drill-broker-nodes drill-disk-full)
# What can break while a long line waits; `drills` is all of them.
drills=(
    drill-redis-kill drill-redis-flushall drill-redis-older drill-redis-freeze drill-redis-failover
    drill-edge-kill drill-edges-kill drill-edge-clock drill-edge-pause drill-origin
)

measure() {
    local name=${1:-} arguments=()
    [[ " ${measurements[*]} ${drills[*]} drills " == *" $name "* ]] ||
        die "usage: deploy/local/stack measure NAME; a NAME is one of: ${measurements[*]} ${drills[*]} drills"
    shift
    # `make drill-redis-kill ARGS='--shoppers 5000'`
    [[ -z ${ARGS:-} ]] || read -r -a arguments <<<"$ARGS"
    set -- "${arguments[@]}" "$@"
    folders_make
    install_what servers
    install_what measuring
    # What the machine has comes first, what we built after it; then where nginx and pgbench may hide.
    PATH="$PATH:$bin_dir:/usr/sbin:$(postgres_bin)"
    export PATH
    services_build
    cd "$checkout" || exit
    servers_with measure_built "$name" "$@"
}

# The binary itself: cargo would build it anew for `-p bench` alone, with other features of the dependencies.
measure_built() {
    local name=$1
    shift
    case $name in
        drills) measure_drills "$@" ;;
        drill-autopilot | drill-no-shows | drill-kills | drill-broker-nodes | drill-disk-full)
            "$binaries_dir/bench" "$name" "$@"
            ;;
        drill-*) "$binaries_dir/bench" drill "${name#drill-}" "$@" ;;
        *) "$binaries_dir/bench" "$name" "$@" ;;
    esac
}

# Each has its line; one that fails does not keep the others from being tried.
measure_drills() {
    local drill failed=()
    for drill in "${drills[@]}"; do
        measure_built "$drill" "$@" || failed+=("$drill")
    done
    ((${#failed[@]} == 0)) || die "failed: ${failed[*]}"
}
