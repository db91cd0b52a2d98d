# shellcheck shell=bash
# Where things are, and on which ports.

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd -P)
local_dir=$checkout/.local
secrets_dir=$local_dir/secrets
logs_dir=$local_dir/logs
run_dir=$local_dir/run
bin_dir=$local_dir/bin
templates_dir=$checkout/deploy/local/config
env_file=$local_dir/stack.env
# Cargo's word for the folder: release or debug.
build_profile=${STACK_PROFILE:-release}
binaries_dir=$(cd "$checkout" && readlink -m "${CARGO_TARGET_DIR:-target}")/$build_profile

redis_port=${STACK_REDIS_PORT:-17379}
postgres_port=${STACK_POSTGRES_PORT:-17432}
rabbitmq_port=${STACK_RABBITMQ_PORT:-17672}
rabbitmq_dist_port=${STACK_RABBITMQ_DIST_PORT:-17673}
epmd_port=${STACK_EPMD_PORT:-17674}

# One name for the PostgreSQL role and database, the RabbitMQ user and virtual host.
account=waiting_room

waiting_room_listen=${WAITING_ROOM_LISTEN:-127.0.0.1:17080}
waiting_room_admin_listen=${WAITING_ROOM_ADMIN_LISTEN:-127.0.0.1:17081}
catalog_api_listen=${CATALOG_API_LISTEN:-127.0.0.1:17082}
catalog_api_metrics_listen=${CATALOG_API_METRICS_LISTEN:-127.0.0.1:17085}
order_worker_listen=${ORDER_WORKER_LISTEN:-127.0.0.1:17083}
sandbox_payments_listen=${SANDBOX_PAYMENTS_LISTEN:-127.0.0.1:17084}
mailbox_listen=${MAILBOX_LISTEN:-127.0.0.1:17086}
mailbox_smtp_listen=${MAILBOX_SMTP_LISTEN:-127.0.0.1:17087}

# The version of k6 that is built when there is none on the PATH.
k6_version=v1.8.1
# The version of cargo-deny that is built when there is none on the PATH.
cargo_deny_version=0.20.2
# The same of cargo-fuzz.
cargo_fuzz_version=0.13.2
