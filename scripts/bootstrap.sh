#!/usr/bin/env bash
# Installs what building, testing and demonstrating Hovedbok needs and this machine lacks, and says
# what it does. Run it as often as you like: where nothing is missing it takes a moment.
#
# Meant for Debian and Ubuntu, as root or with sudo. Elsewhere it only names what is missing.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
rust_wanted=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' "$here/Cargo.toml")

say() { echo "bootstrap: $*"; }
fail() {
  echo "bootstrap: $*" >&2
  exit 1
}
have() { command -v "$1" > /dev/null 2>&1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif have sudo; then
    sudo "$@"
  else
    fail "needs root for: $*. Run that as root, then start again"
  fi
}

apt_fresh=
apt_update() {
  [ -z "$apt_fresh" ] || return 0
  say "reading the list of packages (about 10 s)"
  as_root apt-get -qq -o DPkg::Lock::Timeout=300 update
  apt_fresh=1
}
apt_install() {
  apt_update
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300 \
    -o Dpkg::Use-Pty=0 install --no-install-recommends "$@" > /dev/null
  hash -r
}

# The bindings to RocksDB are made with libclang, which also needs the headers that come with it.
# libclang-cpp, which more machines have, is another library.
have_libclang() {
  [ -z "${LIBCLANG_PATH:-}" ] || return 0
  compgen -G '/usr/lib/llvm-*/lib/libclang[-.][0-9s]*' > /dev/null &&
    compgen -G '/usr/lib/llvm-*/lib/clang/*/include/stdbool.h' > /dev/null
}

missing=()
have g++ || missing+=(g++)
have make || missing+=(make)
have_libclang || missing+=(libclang-dev)
# Judges of what we write: official XML schemas, and somebody else's bookkeeping programs.
have xmllint || missing+=(libxml2-utils)
have hledger || missing+=(hledger)
# Networks for the ordeal: namespaces and wires, partitions and loss, checksums, a wrong clock. Their
# folders are not on everybody's path.
have_admin() { PATH=$PATH:/usr/sbin:/sbin have "$1"; }
if [ "$(uname -s)" = Linux ]; then
  have_admin ip && have_admin tc || missing+=(iproute2)
  have_admin iptables || missing+=(iptables)
  have_admin ethtool || missing+=(ethtool)
  compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' > /dev/null || missing+=(libfaketime)
fi
# A database for the tests of the copy that reporting tools read. Its programs are not on the path.
if ! compgen -G '/usr/lib/postgresql/*/bin/initdb' > /dev/null; then
  missing+=(postgresql)
  if have apt-get; then
    # The package would start a server of its own on this machine; the tests start theirs.
    apt_install postgresql-common
    as_root sed -i 's/^#\? *create_main_cluster.*/create_main_cluster = false/' \
      /etc/postgresql-common/createcluster.conf
  fi
fi
# Quint, which runs the protocol's model, is a Node program.
have node || missing+=(nodejs)
have npm || missing+=(npm)
# The module alone is not enough: Debian splits off what puts pip into a new environment.
python3 -c 'import venv, ensurepip' 2> /dev/null || missing+=(python3 python3-venv)

if [ ${#missing[@]} -gt 0 ]; then
  have apt-get || fail "missing: ${missing[*]} (names of Debian packages). There is no apt-get here: install them by hand"
  say "installing ${missing[*]} (about a minute; most of it is libclang-dev, if that is missing)"
  apt_install "${missing[@]}"
fi

# Succeeds when the first version is at least the second.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }
# From the checkout, because rustup may choose another toolchain here than elsewhere.
rust_found() { (cd "$here" && cargo --version 2> /dev/null | cut -d ' ' -f 2) || true; }
rust_ok() {
  local found
  found=$(rust_found)
  [ -n "$found" ] && at_least "$found" "$rust_wanted"
}

if ! rust_ok; then
  found=$(rust_found)
  say "Rust ${found:-none} found, $rust_wanted or newer needed"
  if ! have rustup && ! have cargo && have apt-get; then
    apt_update
    # Newer releases have it; "show" would also succeed where it is only a name.
    if apt-cache policy rustup 2> /dev/null | grep -q 'Candidate: [0-9]'; then
      say "installing the package rustup (a few seconds)"
      apt_install rustup
    fi
  fi
  if have rustup; then
    say "installing the stable Rust toolchain with rustup (about a minute)"
    rustup toolchain install stable --profile minimal --component rustfmt --component clippy
    # Where another toolchain is the default, that is somebody's choice: change it only for this checkout.
    rustup default > /dev/null 2>&1 || rustup default stable
    rust_ok || (cd "$here" && rustup override set stable)
  else
    have curl || apt_install curl ca-certificates
    say "installing Rust with its official installer, below ${CARGO_HOME:-$HOME/.cargo} (about a minute)"
    curl --proto '=https' --tlsv1.2 -sSf --retry 3 https://sh.rustup.rs |
      env RUSTUP_INIT_SKIP_PATH_CHECK=yes sh -s -- -y -q --no-modify-path --profile minimal \
        --default-toolchain stable --component rustfmt --component clippy
  fi
  hash -r
  rust_ok || fail "still no Rust $rust_wanted or newer; found ${found:-none}. Install it from rust-lang.org"
fi

for component in fmt clippy; do
  if ! (cd "$here" && cargo "$component" --version > /dev/null 2>&1); then
    have rustup || fail "cargo $component is missing, and there is no rustup to install it with"
    say "installing cargo $component (a few seconds)"
    case $component in fmt) component=rustfmt ;; esac
    (cd "$here" && rustup component add "$component")
  fi
done
