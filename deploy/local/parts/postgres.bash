# shellcheck shell=bash
# The private PostgreSQL: orders, stock, holds, the outbox.

postgres_is_up() {
    pid_in_folder postgres "$(server_folder postgres postgres)/data" >/dev/null && postgres_answers
}

postgres_require_ports() {
    require_free_port "$postgres_port" postgresql STACK_POSTGRES_PORT
}

postgres_start() {
    local folder
    folder=$(server_folder postgres postgres)
    postgres_initialise "$folder"
    postgres_configure "$folder"
    postgres_clear_locks "$folder"
    say "  starting postgresql on 127.0.0.1:$postgres_port"
    spawn postgres postgres "$folder/data" "$(postgres_bin)/postgres" -D "$folder/data" -c "config_file=$folder/postgresql.conf"
}

postgres_initialise() {
    local folder=$1
    [[ ! -d $folder/data ]] || return 0
    as_user postgres rm -rf "$folder/data.new"
    # Checksums, so that a rotten page is an error and not an order.
    (cd "$folder" && with_progress "creating the postgresql data folder" "$logs_dir/initdb.log" \
        as_user postgres "$(postgres_bin)/initdb" --pgdata="$folder/data.new" --username=postgres --encoding=UTF8 \
        --locale=C.UTF-8 --data-checksums --auth-local=peer --auth-host=scram-sha-256) ||
        die "initdb failed: see $logs_dir/initdb.log"
    as_user postgres mv "$folder/data.new" "$folder/data"
}

postgres_configure() {
    local folder=$1 owner
    owner=$(as_user postgres id -un)
    [[ -d $folder/socket ]] || as_user postgres mkdir -m 700 "$folder/socket"
    render postgresql.conf "$folder/postgresql.conf" postgres PORT="$postgres_port" FOLDER="$folder"
    render pg_hba.conf "$folder/pg_hba.conf" postgres ACCOUNT="$account"
    render pg_ident.conf "$folder/pg_ident.conf" postgres OWNER="$owner"
}

# The programs of the version that wrote the data, else of the newest one there is.
postgres_bin() {
    local folder version=''
    folder=$(servers_dir)/postgres/data
    [[ ! -e $folder/PG_VERSION ]] || version=$(cat "$folder/PG_VERSION")
    postgres_bin_of "$version" ||
        die "postgresql ${version:-server} is not installed${version:+, and $folder was written by it}"
}

postgres_bin_of() {
    local found
    found=$(find /usr/lib/postgresql -maxdepth 3 -path "*/${1:-*}/bin/initdb" 2>/dev/null | sort -V | tail -n 1)
    [[ -n $found ]] && dirname "$found"
}

postgres_await() {
    await postgres "$(recorded_pid postgres)" 120 postgres_accepts
    postgres_account
    postgres_answers || die "postgresql refuses the account $account: see $logs_dir/postgres.log"
}

postgres_accepts() {
    "$(postgres_bin)/pg_isready" --quiet --host=127.0.0.1 --port="$postgres_port"
}

# The way of the programs: their own account, their own address, a query.
postgres_answers() {
    [[ $(PGPASSWORD=$(secret postgres.password) PGCONNECT_TIMEOUT=5 psql --no-psqlrc -qAt \
        --host="$(servers_dir)/postgres/socket" --port="$postgres_port" --username="$account" --dbname="$account" \
        -c 'select 1' 2>/dev/null) == 1 ]]
}

# PostgreSQL takes a killed server for a living one until somebody reaps it, which in some containers nobody does.
# Its lock files go only when no process works in the data folder any more, its backends included.
postgres_clear_locks() {
    local data=$1/data tries
    [[ -e $data/postmaster.pid ]] || return 0
    for ((tries = 0; tries < 100; tries++)); do
        somebody_works_in "$data" || break
        sleep 0.1
    done
    ! somebody_works_in "$data" || die "a postgresql that is not ours to stop works in $data"
    as_user postgres rm -f "$data/postmaster.pid" "$1/socket/.s.PGSQL.$postgres_port"{,.lock}
}

# Idempotent, and run at every start, so that the password is always the one in the secrets folder.
postgres_account() {
    {
        # By stdin: other users of the machine can read command lines.
        printf "\\set account '%s'\n\\set password '%s'\n" "$account" "$(secret postgres.password)"
        cat <<'SQL'
set log_min_duration_statement = -1;
select format('create role %I login createdb', :'account')
 where not exists (select from pg_roles where rolname = :'account') \gexec
alter role :"account" login createdb password :'password';
select format('create database %I owner %I', :'account', :'account')
 where not exists (select from pg_database where datname = :'account') \gexec
SQL
    } | postgres_admin || die "cannot create the postgresql account: see above and $logs_dir/postgres.log"
}

# The superuser, whom only the owner of the data folder can be, and only over the private socket.
postgres_admin() {
    (cd / && as_user postgres psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 \
        --host="$(servers_dir)/postgres/socket" --port="$postgres_port" --username=postgres --dbname=postgres >/dev/null)
}

postgres_stop() {
    local pid
    pid=$(pid_in_folder postgres "$(server_folder postgres postgres)/data") || return 0
    # INT is the fast shutdown: roll back what is open, write a checkpoint, leave.
    stop_process postgres "$pid" INT
}

# Over the socket: sqlx 0.9 leaves Nagle's algorithm on, so an exchange of two writes over TCP stalls for 40 ms.
postgres_url() {
    printf 'postgres://%s:%s@localhost:%s/%s?host=%s\n' "$account" "$(secret postgres.password)" "$postgres_port" \
        "$account" "$(jq -rn --arg path "$(servers_dir)/postgres/socket" '$path | @uri')"
}
