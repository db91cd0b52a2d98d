# shellcheck shell=bash
# Installs from the distribution what is missing, and nothing else. The packages are wanted for their programs: no
# service of theirs is started, and no PostgreSQL cluster of the system's is made.

no_cluster_file=/etc/postgresql-common/createcluster.d/zz-waiting-room-install.conf
no_start_file=/usr/sbin/policy-rc.d
guard_mark='made by deploy/local of the waiting room for the time of an installation'

install_what() {
    case $1 in
        servers) install_packages "$(missing_for_servers)" ;;
        measuring) install_packages "$(missing_for_measuring)" && install_k6 ;;
        deny) install_cargo_tool cargo-deny "$cargo_deny_version" ;;
        fuzz) install_cargo_tool cargo-fuzz "$cargo_fuzz_version" ;;
        *) die "cannot install '$1': servers, measuring, deny or fuzz" ;;
    esac
}

# === What is missing ===

missing_for_servers() {
    { command -v redis-server && command -v redis-cli; } >/dev/null || echo redis-server
    rabbitmq_server_program >/dev/null || echo rabbitmq-server
    { postgres_bin_of '' && command -v psql; } >/dev/null || echo postgresql
    # cmake and a C compiler: the proxy library builds its zlib from source.
    command -v cmake >/dev/null || echo cmake
    command -v cc >/dev/null || echo gcc libc6-dev
    command -v curl >/dev/null || echo curl
    command -v jq >/dev/null || echo jq
    command -v openssl >/dev/null || echo openssl
}

missing_for_measuring() {
    command -v wrk >/dev/null || echo wrk
    command -v nginx >/dev/null || [[ -x /usr/sbin/nginx ]] || echo nginx-light
    # For an edge with another time of day.
    compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null || echo libfaketime
}

require_cargo() {
    command -v cargo >/dev/null ||
        die "cargo is missing: install Rust $(rust_version) or newer (https://rustup.rs), open a new shell, and try again"
}

rust_version() {
    sed -n 's/^rust-version = "\(.*\)"/\1/p' "$checkout/Cargo.toml"
}

# === From the distribution ===

install_packages() {
    local packages
    read -r -d '' -a packages <<<"$1" || true
    ((${#packages[@]} > 0)) || return 0
    command -v apt-get >/dev/null ||
        die "missing: ${packages[*]} (names of Debian packages; this machine has no apt-get, so install them by hand)"
    may_become_root || die "missing: ${packages[*]}; as root: apt-get install ${packages[*]}"
    say "installing ${packages[*]}"
    # In a shell of its own, so that the guards go when it goes, however that happens.
    (install_guarded "${packages[@]}") || die "could not install ${packages[*]}: see $logs_dir/install.log"
}

install_guarded() {
    trap guards_remove EXIT
    guards_place
    with_progress "apt-get update" "$logs_dir/install.log" as_root apt-get update || exit 1
    with_progress "apt-get install $*" "$logs_dir/install.log" \
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" || exit 1
    keep_from_booting "$@"
}

guards_place() {
    [[ -e $no_start_file ]] || place_as_root "$no_start_file" 755 "#!/bin/sh" "# $guard_mark" "exit 101"
    # Without a server of its own, postgresql would make a cluster and start it at the next boot.
    [[ -n $(postgres_bin_of '') ]] || place_as_root "$no_cluster_file" 644 "# $guard_mark" "create_main_cluster = false"
}

# Also those that an installation left behind which was killed.
guards_remove() {
    local file
    for file in "$no_start_file" "$no_cluster_file"; do
        ! grep -qsF "$guard_mark" "$file" || as_root rm -f "$file"
    done
}

# usage: place_as_root FILE MODE LINE...
place_as_root() {
    local file=$1 mode=$2
    shift 2
    as_root mkdir -p "$(dirname "$file")"
    printf '%s\n' "$@" | as_root tee "$file" >/dev/null
    as_root chmod "$mode" "$file"
}

# What this run installed is for private use: where systemd is in charge, the system's own instance stays off.
keep_from_booting() {
    local package
    [[ -d /run/systemd/system ]] || return 0
    for package in "$@"; do
        case $package in
            redis-server | rabbitmq-server) as_root systemctl disable "$package" ;;
            nginx-light) as_root systemctl disable nginx ;;
        esac >>"$logs_dir/install.log" 2>&1 || true
    done
}

may_become_root() {
    ((EUID != 0)) || return 0
    command -v sudo >/dev/null || return 1
    # Ask for the password here, before progress lines come in between.
    if [[ -t 0 ]]; then sudo -v; else sudo -n true 2>/dev/null; fi
}

as_root() {
    if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

# === From source, into .local/bin ===

install_k6() {
    ! command -v k6 >/dev/null || return 0
    [[ ! -x $bin_dir/k6 ]] || return 0
    command -v go >/dev/null ||
        die "k6 is missing, and so is go to build it with: put a k6 on the PATH (https://grafana.com/docs/k6), or install go"
    with_progress "building k6 $k6_version (some minutes)" "$logs_dir/install.log" \
        env GOBIN="$bin_dir" go install "go.k6.io/k6@$k6_version" || die "could not build k6: see $logs_dir/install.log"
}

# usage: install_cargo_tool NAME VERSION
install_cargo_tool() {
    require_cargo
    ! command -v "$1" >/dev/null || return 0
    [[ ! -x $bin_dir/$1 ]] || return 0
    say "  building $1 (some minutes) ..."
    cargo install --locked --root "$local_dir" "$1@$2"
}
