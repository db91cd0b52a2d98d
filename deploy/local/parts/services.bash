# shellcheck shell=bash
# The programs of the product: their settings, starting, readiness, stopping.

# In the order in which they are stopped: first the one that shoppers reach, last the one that others call.
services=(waiting-room catalog-api order-worker sandbox-payments mailbox)

service_address() {
    case $1 in
        waiting-room) printf '%s' "$waiting_room_admin_listen" ;;
        catalog-api) printf '%s' "$catalog_api_listen" ;;
        order-worker) printf '%s' "$order_worker_listen" ;;
        sandbox-payments) printf '%s' "$sandbox_payments_listen" ;;
        mailbox) printf '%s' "$mailbox_listen" ;;
    esac
}

services_build() {
    require_cargo
    local release=()
    [[ $build_profile != release ]] || release=(--release)
    say "building the $build_profile binaries (the first time takes several minutes)"
    # In the background, so that `stop` need not wait for the compiler; Ctrl-C still reaches it.
    (cd "$checkout" && exec env --default-signal=INT,QUIT cargo build "${release[@]}" --bins 7>&- 8>&-) &
    build_pid=$!
    wait "$build_pid" || die "the build failed"
    build_pid=''
}

services_stop_build() {
    [[ -z ${build_pid:-} ]] || kill -s TERM "$build_pid" 2>/dev/null || true
}

# Everything a program is told, it is told by its environment.
services_settings() {
    cat <<TEXT
DATABASE_URL=$(postgres_url)
AMQP_URL=$(rabbitmq_url)
PAYMENTS_WEBHOOK_SECRET_FILE=$secrets_dir/webhook.secret
ORDER_WORKER_WEBHOOK_KEY_FILE=$secrets_dir/webhooks-out.key
WAITING_ROOM_LISTEN=$waiting_room_listen
WAITING_ROOM_ADMIN_LISTEN=$waiting_room_admin_listen
WAITING_ROOM_ADMIN_TOKEN_FILE=$secrets_dir/operator.token
WAITING_ROOM_KEYS_FILE=$secrets_dir/edge.keys
WAITING_ROOM_REDIS_URL=$(redis_url)
WAITING_ROOM_ORIGIN_SECRET_FILE=$secrets_dir/origin.secret
PERSONAL_DATA_KEYS_FILE=$secrets_dir/personal-data.keys
BLIND_INDEX_KEY_FILE=$secrets_dir/blind-index.key
MEMBER_TOKEN_KEYS_FILE=$secrets_dir/member-token.keys
MAIL_FROM=The Drop Shop <shop@shop.example>
SMTP_URL=smtp://$mailbox_smtp_listen
MAILBOX_LISTEN=$mailbox_listen
MAILBOX_SMTP_LISTEN=$mailbox_smtp_listen
CATALOG_API_LISTEN=$catalog_api_listen
CATALOG_API_METRICS_LISTEN=$catalog_api_metrics_listen
CATALOG_API_JWKS_URL=http://$waiting_room_listen/.well-known/jwks.json
CATALOG_API_PAYMENTS_URL=http://$sandbox_payments_listen
DRAW_KEYS_FILE=$secrets_dir/draw.keys
CATALOG_API_PUBLIC_URL=http://$waiting_room_listen
ORDER_WORKER_LISTEN=$order_worker_listen
ORDER_WORKER_PAYMENTS_URL=http://$sandbox_payments_listen
SANDBOX_PAYMENTS_LISTEN=$sandbox_payments_listen
SANDBOX_PAYMENTS_WEBHOOK_URL=http://$catalog_api_listen/webhooks/payments
TEXT
}

services_export() {
    local line
    while IFS= read -r line; do
        export "${line?}"
    done < <(services_settings)
}

# A command of a program, e.g. `order-worker dead list`, told what `run` tells the program.
services_command() {
    local name=${1:-}
    [[ " ${services[*]} " == *" $name "* ]] ||
        die "usage: deploy/local/stack command PROGRAM ARGUMENTS...; a PROGRAM is one of: ${services[*]}"
    shift
    [[ -x $binaries_dir/$name ]] || die "$binaries_dir/$name is not built: \`make run\` builds and starts everything"
    servers_all_run || die "the servers are not up: \`make run\` starts everything"
    services_export
    exec "$binaries_dir/$name" "$@"
}

services_require_ports() {
    require_free_port "${waiting_room_listen##*:}" waiting-room WAITING_ROOM_LISTEN
    require_free_port "${waiting_room_admin_listen##*:}" "waiting-room's operator API" WAITING_ROOM_ADMIN_LISTEN
    require_free_port "${catalog_api_listen##*:}" catalog-api CATALOG_API_LISTEN
    require_free_port "${catalog_api_metrics_listen##*:}" "catalog-api's metrics" CATALOG_API_METRICS_LISTEN
    require_free_port "${order_worker_listen##*:}" order-worker ORDER_WORKER_LISTEN
    require_free_port "${sandbox_payments_listen##*:}" sandbox-payments SANDBOX_PAYMENTS_LISTEN
    require_free_port "${mailbox_listen##*:}" mailbox MAILBOX_LISTEN
    require_free_port "${mailbox_smtp_listen##*:}" "mailbox's SMTP" MAILBOX_SMTP_LISTEN
}

services_prepare_database() {
    with_progress "bringing the database up to date" "$logs_dir/migrate.log" "$binaries_dir/catalog-api" migrate ||
        die "the migration failed: see $logs_dir/migrate.log"
    with_progress "seeding the demo drop" "$logs_dir/migrate.log" "$binaries_dir/catalog-api" seed-demo ||
        die "seeding failed: see $logs_dir/migrate.log"
}

# All of them first, readiness after: each may need another one to be ready.
services_start() {
    local name
    service_start mailbox
    service_start sandbox-payments
    service_start order-worker
    service_start catalog-api
    service_start waiting-room --config deploy/local/config/waiting-room.toml
    for name in "${services[@]}"; do
        await "$name" "$(recorded_pid "$name")" 60 service_is_ready "$name"
        say "  $name is ready"
    done
}

service_start() {
    local name=$1
    shift
    spawn "$name" "$(id -un)" "$checkout" "$binaries_dir/$name" "$@"
}

service_is_ready() {
    curl -fsS --max-time 2 -o /dev/null "http://$(service_address "$1")/readyz" 2>/dev/null
}

services_stop() {
    local name pid
    for name in "${services[@]}"; do
        if pid=$(service_pid "$name"); then
            say "  stopping $name"
            stop_process "$name" "$pid" TERM
        fi
    done
}

service_pid() {
    pid_of_binary "$1" "$binaries_dir/$1"
}

services_status() {
    local name
    for name in "${services[@]}"; do
        status_line "$name" "$(service_pid "$name" || true)" "$(service_address "$name")"
    done
}
