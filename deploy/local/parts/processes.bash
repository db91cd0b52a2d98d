# shellcheck shell=bash
# Starting, recognising and stopping processes. A process counts as ours when its recorded pid is alive *and* it works in
# our folder (or is our binary): pids are used again, and a port says nothing about who is behind it.

# Starts a process of its own session (a Ctrl-C at the terminal is ours to handle, in order), remembers its pid.
# usage: spawn NAME USER FOLDER COMMAND...
spawn() {
    local name=$1 user=$2 folder=$3 log=$logs_dir/$1.log
    shift 3
    [[ ! -s $log ]] || mv -f "$log" "$log.1"
    (
        cd "$folder" || exit
        # Locks stay with this script, not with what it starts.
        exec 7>&- 8>&- 9>&- </dev/null >>"$log" 2>&1
        spawn_as "$user" "$@"
    ) &
    printf '%s\n' "$!" >"$run_dir/$name.pid"
    # We watch it ourselves; the shell need not announce its end.
    disown "$!"
}

spawn_as() {
    local user=$1
    shift
    if ((EUID == 0)) && [[ $user != root ]]; then
        exec setsid setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups -- "$@"
    else
        exec setsid "$@"
    fi
}

recorded_pid() {
    local pid
    pid=$(cat "$run_dir/$1.pid" 2>/dev/null) && [[ $pid =~ ^[0-9]+$ ]] && printf '%s\n' "$pid"
}

# Prints the pid of a server of ours that works in FOLDER. usage: pid_in_folder NAME FOLDER
pid_in_folder() {
    local pid
    pid=$(recorded_pid "$1") || return 1
    [[ $(readlink "/proc/$pid/cwd" 2>/dev/null) == "$2" ]] && printf '%s\n' "$pid"
}

# Prints the pid of a program of ours that runs BINARY (rebuilt since, perhaps). usage: pid_of_binary NAME BINARY
pid_of_binary() {
    local pid exe
    pid=$(recorded_pid "$1") || return 1
    exe=$(readlink "/proc/$pid/exe" 2>/dev/null) || return 1
    [[ ${exe% (deleted)} == "$2" ]] && printf '%s\n' "$pid"
}

# usage: somebody_works_in FOLDER; the dead have no working folder, even before they are reaped.
somebody_works_in() {
    local process
    for process in /proc/[0-9]*; do
        [[ $(readlink "$process/cwd" 2>/dev/null) != "$1" ]] || return 0
    done
    return 1
}

# A dead process that nobody has reaped yet is dead.
is_running() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    [[ ${stat##*) } != Z* ]]
}

# Asks, waits, insists. usage: stop_process NAME PID SIGNAL
stop_process() {
    local name=$1 pid=$2 signal=$3 tries
    kill -s "$signal" "$pid" 2>/dev/null || true
    for ((tries = 0; tries < 300; tries++)); do
        is_running "$pid" || break
        ((tries % 100 != 99)) || say "  still waiting for $name (pid $pid) to stop ..."
        sleep 0.1
    done
    if is_running "$pid"; then
        say "  $name (pid $pid) did not stop in 30 s: killing it"
        kill -s KILL "$pid" 2>/dev/null || true
    fi
    rm -f "$run_dir/$name.pid"
}

# Waits until CHECK succeeds; gives up when the process is gone or the time is over.
# usage: await NAME PID SECONDS CHECK...
await() {
    local name=$1 pid=$2 seconds=$3 began=$SECONDS said=0
    shift 3
    until "$@"; do
        if ! is_running "$pid"; then
            show_tail "$logs_dir/$name.log"
            die "$name ended while starting"
        fi
        if ((SECONDS - began >= seconds)); then
            show_tail "$logs_dir/$name.log"
            die "$name did not become ready within $seconds s"
        fi
        if ((SECONDS - began >= said + 10)); then
            said=$((SECONDS - began))
            say "  waiting for $name ... $said s"
        fi
        sleep 0.1
    done
}

port_is_taken() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# usage: require_free_port PORT WHAT VARIABLE
require_free_port() {
    ! port_is_taken "$1" ||
        die "port $1 for $2 is taken by another program$(port_owner "$1"): stop that program or choose another port with $3"
}

port_owner() {
    local line
    command -v ss >/dev/null || return 0
    line=$(ss -ltnpH "sport = :$1" 2>/dev/null | grep -o 'users:(("[^"]*",pid=[0-9]*' | head -n 1) || return 0
    sed -E 's/.*\(\("([^"]*)",pid=([0-9]*)/ (\1, pid \2)/' <<<"$line"
}
