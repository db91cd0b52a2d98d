# shellcheck shell=bash
# Passwords and keys of this checkout: made once, then used again, readable by the owner alone.

secrets_make() {
    secret_once redis.password openssl rand -hex 24
    secret_once postgres.password openssl rand -hex 24
    secret_once rabbitmq.password openssl rand -hex 24
    secret_once rabbitmq.cookie openssl rand -hex 24
    secret_once operator.token openssl rand -hex 32
    secret_once edge.keys new_key_ring
    secret_once draw.keys new_key_ring
    secret_once webhook.secret new_webhook_secret
    secret_once webhooks-out.key new_webhook_secret
    secret_once personal-data.keys new_key_ring
    secret_once blind-index.key openssl rand -base64 32
    secret_once member-token.keys new_key_ring
    secret_once origin.secret openssl rand -hex 32
}

# usage: secret_once NAME COMMAND...; written beside and moved into place, so that no half a secret is ever read.
secret_once() {
    local path=$secrets_dir/$1
    shift
    [[ ! -s $path ]] || return 0
    (umask 077 && "$@" >"$path.new")
    mv "$path.new" "$path"
}

# One key a line: its number (1 to 255), then 32 random bytes in base64. A later line may hold the next key.
new_key_ring() {
    printf '1 %s\n' "$(openssl rand -base64 32)"
}

# The form that the Standard Webhooks specification gives to a symmetric secret.
new_webhook_secret() {
    printf 'whsec_%s\n' "$(openssl rand -base64 32)"
}

secret() {
    cat "$secrets_dir/$1"
}
