# shellcheck shell=bash
# Measurements: real processes under load, on real servers. The last line of stdout is a line of JSON.

measure() {
    local name=${1:-}
    case $name in
        drop-day | poll | join | million | orders | drill-autopilot | drill-no-shows) ;;
        *) die "usage: deploy/local/stack measure drop-day|poll|join|million|orders|drill-autopilot|drill-no-shows" ;;
    esac
    shift
    folders_make
    install_what servers
    install_what measuring
    # What the machine has comes first, what we built after it; then where nginx and pgbench may hide.
    PATH="$PATH:$bin_dir:/usr/sbin:$(postgres_bin)"
    export PATH
    services_build
    cd "$checkout" || exit
    # The binary itself: cargo would build it anew for `-p bench` alone, with other features of the dependencies.
    servers_with "$binaries_dir/bench" "$name" "$@"
}
