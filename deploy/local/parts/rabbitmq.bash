# shellcheck shell=bash
# The private RabbitMQ, and the Erlang port mapper (epmd) of its own that goes with it: a shared mapper would outlive us,
# or be somebody else's.

# The mapper does not count: only other nodes and rabbitmqctl ask it, and the broker brings back a lost one by itself.
rabbitmq_is_up() {
    pid_in_folder rabbitmq "$(server_folder rabbitmq rabbitmq)/node" >/dev/null && rabbitmq_answers
}

rabbitmq_require_ports() {
    require_free_port "$rabbitmq_port" rabbitmq STACK_RABBITMQ_PORT
    require_free_port "$rabbitmq_dist_port" "rabbitmq's distribution" STACK_RABBITMQ_DIST_PORT
    require_free_port "$epmd_port" "rabbitmq's epmd" STACK_EPMD_PORT
}

rabbitmq_start() {
    local folder
    folder=$(server_folder rabbitmq rabbitmq)
    rabbitmq_configure "$folder"
    say "  starting rabbitmq on 127.0.0.1:$rabbitmq_port"
    spawn epmd rabbitmq "$folder/epmd" env HOME="$folder/home" epmd -address 127.0.0.1 -port "$epmd_port"
    await epmd "$(recorded_pid epmd)" 30 port_is_taken "$epmd_port"
    rabbitmq_spawn "$folder"
}

rabbitmq_configure() {
    local folder=$1
    as_user rabbitmq mkdir -p "$folder/node" "$folder/epmd" "$folder/data" "$folder/home"
    render rabbitmq.conf "$folder/rabbitmq.conf" rabbitmq PORT="$rabbitmq_port" ACCOUNT="$account" \
        PASSWORD="$(secret rabbitmq.password)"
    render rabbitmq-plugins "$folder/enabled_plugins" rabbitmq
    # What lets another Erlang node in; Erlang wants it readable by its owner alone.
    secret rabbitmq.cookie | place "$folder/home/.erlang.cookie" rabbitmq
}

# The scripts in /usr/sbin switch users and drop the environment; the ones they call do not.
rabbitmq_spawn() {
    local folder=$1
    spawn rabbitmq rabbitmq "$folder/node" env -i \
        PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 HOME="$folder/home" \
        ERL_EPMD_PORT="$epmd_port" ERL_EPMD_ADDRESS=127.0.0.1 ERL_CRASH_DUMP="$folder/node/erl_crash.dump" \
        RABBITMQ_CONF_ENV_FILE=/dev/null RABBITMQ_CONFIG_FILE="$folder/rabbitmq.conf" \
        RABBITMQ_ENABLED_PLUGINS_FILE="$folder/enabled_plugins" RABBITMQ_NODENAME=waiting-room@localhost \
        RABBITMQ_MNESIA_BASE="$folder/data" RABBITMQ_LOG_BASE="$folder/node" RABBITMQ_LOGS=- \
        RABBITMQ_PID_FILE="$folder/node/pid" RABBITMQ_DIST_PORT="$rabbitmq_dist_port" \
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}' \
        RUNNING_UNDER_SYSTEMD=true "$(rabbitmq_server_program)"
    # RUNNING_UNDER_SYSTEMD: the script then becomes the broker instead of watching over it, so its pid is the broker's.
}

rabbitmq_server_program() {
    local path
    for path in /usr/lib/rabbitmq/bin/rabbitmq-server /usr/lib/rabbitmq/lib/*/sbin/rabbitmq-server; do
        [[ ! -x $path ]] || {
            printf '%s\n' "$path"
            return 0
        }
    done
    return 1
}

rabbitmq_await() {
    await rabbitmq "$(recorded_pid rabbitmq)" 180 rabbitmq_speaks
    rabbitmq_answers || die "rabbitmq refuses the account $account: its data and .local/secrets do not belong together; \`deploy/local/stack wipe\` starts anew"
}

# The listener opens last, when the node has booted: its first words are enough while we wait.
rabbitmq_speaks() {
    amqp_says_start 2>/dev/null
}

rabbitmq_answers() {
    amqp_accepts_login "$account" "$(secret rabbitmq.password)" 2>/dev/null
}

rabbitmq_stop() {
    local folder pid
    folder=$(server_folder rabbitmq rabbitmq)
    if pid=$(pid_in_folder rabbitmq "$folder/node"); then
        rabbitmq_finish_booting "$pid"
        # On TERM the Erlang machine stops its applications in order.
        stop_process rabbitmq "$pid" TERM
    fi
    if pid=$(epmd_pid "$folder"); then
        stop_process epmd "$pid" TERM
    fi
}

# Ours, or the one that our broker has started in its place: that one lives in no folder, but has inherited our HOME.
epmd_pid() {
    local process
    pid_in_folder epmd "$1/epmd" && return 0
    for process in /proc/[0-9]*; do
        [[ $(cat "$process/comm" 2>/dev/null) == epmd ]] || continue
        grep -qszFx "HOME=$1/home" "$process/environ" || continue
        printf '%s\n' "${process#/proc/}"
        return 0
    done
    return 1
}

# Told to stop in the middle of its boot, the Erlang machine waits for itself for ever.
rabbitmq_finish_booting() {
    local tries
    for ((tries = 0; tries < 300; tries++)); do
        is_running "$1" || return 0
        ! rabbitmq_speaks || return 0
        sleep 0.1
    done
}

rabbitmq_url() {
    printf 'amqp://%s:%s@127.0.0.1:%s/%s\n' "$account" "$(secret rabbitmq.password)" "$rabbitmq_port" "$account"
}

# === AMQP 0-9-1, as much of it as a login takes (rabbitmqctl would take two seconds of an Erlang machine) ===

amqp_says_start() {
    (
        amqp_greet && amqp_frame_begins 000a000a
    )
}

amqp_accepts_login() {
    (
        amqp_greet && amqp_frame_begins 000a000a && amqp_start_ok "$1" "$2" && amqp_frame_begins 000a001e
    )
}

amqp_greet() {
    exec 3<>"/dev/tcp/127.0.0.1/$rabbitmq_port" && printf 'AMQP\x00\x00\x09\x01' >&3
}

# Reads one frame whole; succeeds when its class and method are the wanted ones (10.10 start, 10.30 tune).
amqp_frame_begins() {
    local head size body
    head=$(amqp_read 7)
    [[ ${#head} == 14 ]] || return 1
    size=$((16#${head:6:8}))
    ((size < 65536)) || return 1
    body=$(amqp_read $((size + 1)))
    [[ ${body:0:8} == "$1" ]]
}

amqp_read() {
    timeout 5 head -c "$1" <&3 | od -An -v -tx1 | tr -d ' \n'
}

# Start-Ok: no client properties, mechanism PLAIN, the account, a locale.
amqp_start_ok() {
    local answer size
    answer="\\x00\\x0a\\x00\\x0b\\x00\\x00\\x00\\x00\\x05PLAIN$(amqp_u32 $((${#1} + ${#2} + 2)))\\x00$1\\x00$2\\x05en_US"
    # shellcheck disable=SC2059  # the escapes are ours, the account and the password are letters and digits
    size=$(printf "$answer" | wc -c)
    # shellcheck disable=SC2059
    printf "\\x01\\x00\\x00$(amqp_u32 "$size")$answer\\xce" >&3
}

amqp_u32() {
    printf '\\x%02x\\x%02x\\x%02x\\x%02x' $(($1 >> 24 & 255)) $(($1 >> 16 & 255)) $(($1 >> 8 & 255)) $(($1 & 255))
}
