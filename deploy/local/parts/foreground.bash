# shellcheck shell=bash
# `run`: the whole product, as long as this script lives. It watches the programs, and takes them along when it ends.

foreground_run() {
    folders_make
    foreground_claim
    trap foreground_end EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    servers_acquire
    services_stop # left behind by a run that was killed
    services_require_ports
    services_build
    services_export
    services_prepare_database
    services_start
    foreground_tell
    foreground_watch
}

# The lock is held for as long as this process lives, whatever ends it; the pid in it is for `stop`.
foreground_claim() {
    exec 7<>"$local_dir/run.lock"
    flock -n 7 ||
        die "this checkout is already running (pid $(cat "$run_dir/foreground.pid" 2>/dev/null || echo unknown)): \`make stop\` stops it"
    printf '%s\n' "$$" >"$run_dir/foreground.pid"
}

foreground_tell() {
    cat >&2 <<TEXT

  open            http://$waiting_room_listen/
  operator API    curl -H "Authorization: Bearer \$(cat ${secrets_dir#"$checkout"/}/operator.token)" http://$waiting_room_admin_listen/rooms
  metrics         http://$waiting_room_admin_listen/metrics   http://$order_worker_listen/metrics
  payments        http://$sandbox_payments_listen/
  mails           http://$mailbox_listen/
  logs            ${logs_dir#"$checkout"/}/

  Ctrl-C stops everything; so does \`make stop\` in another terminal.

TEXT
}

# Ends the run when a program or a server has ended.
foreground_watch() {
    local name
    # Without the locks: the sleep may outlive a killed run.
    while sleep 1 7>&- 8>&-; do
        for name in "${services[@]}"; do
            service_pid "$name" >/dev/null || foreground_lost "$name"
        done
        for name in redis postgres rabbitmq; do
            [[ -n $(server_pid "$name") ]] || foreground_lost "$name"
        done
    done
}

foreground_lost() {
    show_tail "$logs_dir/$1.log"
    die "$1 ended by itself: stopping everything"
}

foreground_end() {
    local status=$?
    trap - EXIT
    # A second Ctrl-C must not leave half of it running.
    trap '' INT TERM HUP
    say ""
    services_stop_build
    services_stop
    servers_release
    rm -f "$run_dir/foreground.pid"
    # Being told to stop is a good end.
    case $status in 130 | 143) say "stopped" && exit 0 ;; esac
    exit "$status"
}

foreground_stop() {
    local pid tries
    [[ -d $run_dir ]] || return 0
    if pid=$(recorded_pid foreground) && ! flock -n "$local_dir/run.lock" true; then
        say "stopping the run with pid $pid"
        kill -s TERM "$pid" 2>/dev/null || true
        for ((tries = 0; tries < 900; tries++)); do
            is_running "$pid" || break
            sleep 0.1
        done
        ! is_running "$pid" || die "the run with pid $pid does not stop"
    fi
    services_stop
}
