# shellcheck shell=bash
# The folders under .local/, and who may look into them.
#
# Started by root, the servers run as their own users (PostgreSQL insists, the others are better off), who must be
# able to reach their data. Folders that are ours are opened for passage (o+x, not o+r); folders above the checkout
# are not ours and are never changed: when they bar the way (a checkout under /root), the data goes to a private
# folder under /var/tmp, whose path is kept in .local/servers.path. So it does when PostgreSQL's socket would get a
# path longer than the system allows, or one that would need quoting.

folders_make() {
    [[ ! -e $local_dir || -O $local_dir ]] ||
        die "$local_dir belongs to $(stat -c %U "$local_dir"): run this as that user, or remove the folder"
    (umask 077 && mkdir -p "$local_dir" "$secrets_dir" "$logs_dir" "$run_dir" "$bin_dir")
    open_for_passage "$local_dir"
}

# Prints the folder that holds the servers' data, made on the first call.
servers_dir() {
    local path
    path=$(cat "$local_dir/servers.path" 2>/dev/null || true)
    if [[ -z $path || ! -d $path || ! -O $path ]]; then
        path=$(choose_servers_dir)
        printf '%s\n' "$path" >"$local_dir/servers.path"
    fi
    printf '%s\n' "$path"
}

choose_servers_dir() {
    local path=$local_dir/servers
    mkdir -p "$path"
    open_for_passage "$path"
    if ! servers_can_live_in "$path"; then
        rmdir "$path"
        path=$(mktemp -d /var/tmp/waiting-room-servers.XXXXXXXX)
        open_for_passage "$path"
        say "  the servers cannot live under $local_dir (not reachable for their users, or too long or too odd a path): using $path"
    fi
    printf '%s\n' "$path"
}

open_for_passage() {
    if ((EUID == 0)); then chmod 711 "$1"; else chmod 700 "$1"; fi
}

servers_can_live_in() {
    local socket=$1/postgres/socket/.s.PGSQL.$postgres_port user
    ((${#socket} <= 100)) || return 1
    # Four configuration languages, each with its own idea of quoting: plain paths only.
    [[ $1 =~ ^[A-Za-z0-9/._+-]+$ ]] || return 1
    ((EUID == 0)) || return 0
    for user in postgres rabbitmq redis; do
        as_user "$user" test -x "$1" || return 1
    done
}

# usage: server_folder NAME USER; prints the folder of one server, private to its user.
server_folder() {
    local path
    path=$(servers_dir)/$1
    if [[ ! -d $path ]]; then
        mkdir -m 700 "$path"
        ((EUID != 0)) || chown "$2:" "$path"
    fi
    printf '%s\n' "$path"
}

# Runs a command as a server's user when we are root, as ourselves otherwise.
as_user() {
    local user=$1
    shift
    if ((EUID == 0)); then
        setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups -- "$@"
    else
        "$@"
    fi
}

# Fills @NAME@ in a template of deploy/local/config. usage: render TEMPLATE TARGET USER NAME=VALUE...
render() {
    local text target=$2 user=$3 pair
    text=$(<"$templates_dir/$1")
    shift 3
    for pair in "$@"; do
        # Quoted, since bash 5.2 would read an & in the value as "what was matched".
        text=${text//"@${pair%%=*}@"/"${pair#*=}"}
    done
    place "$target" "$user" <<<"$text"
}

# Writes stdin to a file that belongs to a server's user and that nobody else can read. usage: place TARGET USER
place() {
    rm -f "$1"
    (umask 077 && cat >"$1")
    ((EUID != 0)) || chown "$2:" "$1"
}

# One command at a time changes the stack.
folders_lock() {
    folders_make
    exec 9>"$local_dir/stack.lock"
    flock -n 9 || {
        say "  waiting for another command that is changing the stack ..."
        flock -w 300 9 || die "another deploy/local/stack command has held $local_dir/stack.lock for five minutes"
    }
}

folders_unlock() {
    exec 9>&-
}

folders_wipe() {
    local path
    [[ -d $local_dir ]] || return 0
    path=$(cat "$local_dir/servers.path" 2>/dev/null || true)
    if [[ $path == /var/tmp/waiting-room-servers.* && -O $path ]]; then
        rm -rf -- "$path"
    fi
    rm -rf -- "$local_dir"
    say "removed $local_dir"
}
