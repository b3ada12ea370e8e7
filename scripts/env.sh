# shellcheck shell=bash
# The environment of every cargo command in this repository. Source it, do not run it:
#
#   source scripts/env.sh
#
# The Makefile, .ci/run and people use the same, because a different environment makes cargo build
# things again: without ROCKSDB_LIB_DIR a quarter of an hour of C++.
#
# What may be set before: HOVEDBOK_CACHE (default ~/.cache/hovedbok) and HOVEDBOK_TARGET (default
# "target" below it), or CARGO_TARGET_DIR itself.

hovedbok_root=$(cd "$(dirname "${BASH_SOURCE[0]:-$0}")/.." && pwd)

# rustup's installer puts cargo here and tells only new login shells about it.
case ":$PATH:" in
  *":${CARGO_HOME:-$HOME/.cargo}/bin:"*) ;;
  *) export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH" ;;
esac

export HOVEDBOK_CACHE="${HOVEDBOK_CACHE:-$HOME/.cache/hovedbok}"
# Outside the checkout, so that a fresh clone finds the dependencies already compiled.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${HOVEDBOK_TARGET:-$HOVEDBOK_CACHE/target}}"

# Only on Linux is the library built ahead; elsewhere the crate's build script compiles it.
if [ "$(uname -s)" = Linux ]; then
  hovedbok_rocksdb=$(bash "$hovedbok_root/scripts/rocksdb.sh" --dir) || hovedbok_rocksdb=
  if [ -n "$hovedbok_rocksdb" ]; then
    export ROCKSDB_LIB_DIR="$hovedbok_rocksdb/lib"
    export ROCKSDB_INCLUDE_DIR="$hovedbok_rocksdb/include"
    export ROCKSDB_STATIC=1
    if [ ! -f "$ROCKSDB_LIB_DIR/librocksdb.a" ] && [ -z "${HOVEDBOK_QUIET:-}" ]; then
      echo "env: RocksDB is not built yet: run scripts/rocksdb.sh before cargo" >&2
    fi
  fi
  unset hovedbok_rocksdb
fi
unset hovedbok_root
