# shellcheck shell=bash
# Measurements: real processes under load, on real servers. The last line of stdout is a line of JSON.

measure() {
    local name=${1:-}
    case $name in
        drop-day | poll | join | orders) ;;
        *) die "usage: deploy/local/stack measure drop-day|poll|join|orders" ;;
    esac
    shift
    folders_make
    install_what measuring
    # What we built is used where the machine has none; /usr/sbin for nginx.
    export PATH="$PATH:$bin_dir:/usr/sbin"
    services_build
    cd "$checkout" || exit
    servers_with cargo run --quiet --release -p bench -- "$name" "$@"
}
