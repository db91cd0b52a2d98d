# shellcheck shell=bash
# Redis, PostgreSQL and RabbitMQ together.
#
# A command that only needs them for a while (`with`, `run`) leaves them as it found them. When several do so at
# once, the last one to finish stops what the first one started: each holds a share of .local/users.lock, and
# .local/run/transient says that nobody asked for the servers to stay.

servers_up() {
    folders_lock
    rm -f "$run_dir/transient"
    servers_start
    folders_unlock
}

servers_start() {
    install_what servers
    secrets_make
    local name missing=()
    # Every port is looked at before anything starts.
    for name in rabbitmq postgres redis; do
        "${name}_is_up" || {
            "${name}_stop"
            "${name}_require_ports"
            missing+=("$name")
        }
    done
    # Started together, then waited for: RabbitMQ takes longest, and the others need not wait for it.
    for name in "${missing[@]}"; do "${name}_start"; done
    for name in "${missing[@]}"; do "${name}_await"; done
    servers_write_env
    say "redis, postgresql and rabbitmq are up (deploy/local/stack env)"
}

servers_down() {
    [[ -d $run_dir ]] || return 0
    folders_lock
    servers_stop
    folders_unlock
}

servers_stop() {
    rm -f "$run_dir/transient"
    # Nothing was ever started, or its folder is gone.
    [[ -f $local_dir/servers.path ]] || return 0
    rabbitmq_stop
    postgres_stop
    redis_stop
    say "redis, postgresql and rabbitmq are down"
}

# === As long as somebody uses them ===

servers_acquire() {
    folders_lock
    servers_all_run || servers_any_runs || touch "$run_dir/transient"
    exec 8>"$local_dir/users.lock"
    flock -s 8
    servers_start
    folders_unlock
}

servers_release() {
    exec 8>&-
    folders_lock
    exec 8>"$local_dir/users.lock"
    if [[ -f $run_dir/transient ]] && flock -xn 8; then
        servers_stop
    fi
    exec 8>&-
    folders_unlock
}

servers_with() {
    (($# > 0)) || die "usage: deploy/local/stack with COMMAND..."
    trap servers_release_quietly EXIT
    servers_acquire
    servers_export
    # Without our locks, so that nothing the command leaves behind can hold them.
    "$@" 8>&-
}

# The command had the last word: a test runner's count, a measurement's line of JSON.
servers_release_quietly() {
    local status=$?
    trap - EXIT
    servers_release >>"$logs_dir/release.log" 2>&1 || true
    exit "$status"
}

# === What runs ===

servers_any_runs() {
    [[ -f $local_dir/servers.path ]] || return 1
    [[ -n $(server_pid redis)$(server_pid postgres)$(server_pid rabbitmq) ]]
}

servers_all_run() {
    [[ -f $local_dir/servers.path ]] || return 1
    [[ -n $(server_pid redis) && -n $(server_pid postgres) && -n $(server_pid rabbitmq) ]]
}

server_pid() {
    local folder
    folder=$(servers_dir)
    case $1 in
        redis) pid_in_folder redis "$folder/redis" || true ;;
        postgres) pid_in_folder postgres "$folder/postgres/data" || true ;;
        rabbitmq) pid_in_folder rabbitmq "$folder/rabbitmq/node" || true ;;
        epmd) epmd_pid "$folder/rabbitmq" || true ;;
    esac
}

servers_status() {
    local name pid
    for name in redis postgres rabbitmq epmd; do
        pid=''
        [[ ! -f $local_dir/servers.path ]] || pid=$(server_pid "$name")
        status_line "$name" "$pid" "$(server_address "$name")"
    done
}

# usage: status_line NAME PID ADDRESS
status_line() {
    if [[ -n $2 ]]; then
        printf '%-18s up    pid %-8s %s\n' "$1" "$2" "$3"
    else
        printf '%-18s down\n' "$1"
    fi
}

server_address() {
    case $1 in
        redis) printf '127.0.0.1:%s' "$redis_port" ;;
        postgres) printf '127.0.0.1:%s' "$postgres_port" ;;
        rabbitmq) printf '127.0.0.1:%s' "$rabbitmq_port" ;;
        epmd) printf '127.0.0.1:%s' "$epmd_port" ;;
    esac
}

# === Where they are, for programs ===

servers_env() {
    [[ -f $env_file ]] || die "the stack was never up here: run deploy/local/stack up"
    cat "$env_file"
}

servers_write_env() {
    (
        umask 077
        printf 'DATABASE_URL=%s\nREDIS_URL=%s\nAMQP_URL=%s\n' "$(postgres_url)" "$(redis_url)" "$(rabbitmq_url)" >"$env_file.new"
    )
    mv -f "$env_file.new" "$env_file"
}

servers_export() {
    set -a
    # shellcheck disable=SC1090
    source "$env_file"
    set +a
}
