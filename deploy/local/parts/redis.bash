# shellcheck shell=bash
# The private Redis: the line's store.

redis_is_up() {
    pid_in_folder redis "$(server_folder redis redis)" >/dev/null && redis_answers
}

redis_require_ports() {
    require_free_port "$redis_port" redis STACK_REDIS_PORT
}

redis_start() {
    local folder
    folder=$(server_folder redis redis)
    render redis.conf "$folder/redis.conf" redis PORT="$redis_port" FOLDER="$folder" PASSWORD="$(secret redis.password)"
    say "  starting redis on 127.0.0.1:$redis_port"
    spawn redis redis "$folder" redis-server "$folder/redis.conf"
}

redis_await() {
    await redis "$(recorded_pid redis)" 60 redis_answers
}

redis_answers() {
    [[ $(REDISCLI_AUTH=$(secret redis.password) timeout 5 redis-cli -h 127.0.0.1 -p "$redis_port" PING 2>/dev/null) == PONG ]]
}

redis_stop() {
    local pid
    pid=$(pid_in_folder redis "$(server_folder redis redis)") || return 0
    # Redis writes out its append-only file on TERM.
    stop_process redis "$pid" TERM
}

redis_url() {
    printf 'redis://default:%s@127.0.0.1:%s/0\n' "$(secret redis.password)" "$redis_port"
}
