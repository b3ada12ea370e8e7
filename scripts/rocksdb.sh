#!/usr/bin/env bash
# Builds RocksDB's C++ library once per user and machine, from the sources inside the
# librocksdb-sys crate that Cargo.lock names, and keeps it in a cache.
#
#   scripts/rocksdb.sh          build the library unless it is there already
#   scripts/rocksdb.sh --dir    only print the directory it is (or would be) kept in
#
# Why not leave it to the crate: its build script compiles 343 files one by one at -O3, and again for
# every target directory, profile and change of features. Most of that time goes into reading the same
# headers 343 times. Here about ten source files are compiled together as one unit, which RocksDB's
# own CI also does ("make unity_test"), so the headers are read 31 times. See
# specs/decisions/0003-rocksdb-build.md for the figures.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${HOVEDBOK_CACHE:-$HOME/.cache/hovedbok}
cxx=${CXX:-g++}

# How many units the sources are divided into, by size. More units read the headers more often; fewer
# need more memory each (1.1 GB at most with this number) and keep the cores less evenly busy.
units=32

# The crate's own flags and defines on Linux without any of its features (compression is off), at -O2
# instead of -O3. The headers' warnings are upstream's business, hence -w.
flags=(-O2 -std=c++20 -fPIC -ffunction-sections -fdata-sections -w -include cstdint
  -DNDEBUG=1 -DHAVE_ALIGNED_NEW -DHAVE_UINT128_EXTENSION
  -DOS_LINUX -DROCKSDB_PLATFORM_POSIX -DROCKSDB_LIB_IO_POSIX
  -DROCKSDB_SCHED_GETCPU_PRESENT -DROCKSDB_AUXV_GETAUXVAL_PRESENT
  -DROCKSDB_FALLOCATE_PRESENT -DROCKSDB_RANGESYNC_PRESENT)
case $(uname -m) in
  # Checksums in hardware: every x86-64 server since 2010 has these.
  x86_64) flags+=(-msse2 -msse4.1 -msse4.2 -mpclmul) ;;
  aarch64) flags+=(-march=armv8-a+crc+aes+crypto) ;;
esac

crate_version=$(awk '$1 == "name" { found = ($3 == "\"librocksdb-sys\"") }
  found && $1 == "version" { gsub(/"/, "", $3); print $3; exit }' "$here/Cargo.lock")
if [ -z "$crate_version" ]; then
  echo "rocksdb: Cargo.lock names no librocksdb-sys" >&2
  exit 1
fi
# The list of files is read from the crate, the flags above are not.
flags_from=0.19.0+11.8.1
# Another compiler or other flags make another library: both are part of its name. Where there is no
# compiler yet, the name is wrong but harmless: nothing can be built with it.
compiler=$("$cxx" --version 2>/dev/null | head -n 1 || true)
key=$(printf '%s\n' "$compiler" "$(uname -m)" "$units" "${flags[*]}" | sha256sum | cut -c 1-12)
dir=$cache/rocksdb-${crate_version#*+}-$key

case ${1:-} in
  --dir) echo "$dir"; exit 0 ;;
  '') ;;
  *) echo "usage: scripts/rocksdb.sh [--dir]" >&2; exit 2 ;;
esac

if [ -f "$dir/lib/librocksdb.a" ]; then
  exit 0
fi
if [ "$(uname -s)" != Linux ]; then
  echo "rocksdb: not Linux, so cargo builds it (about a quarter of an hour)"
  exit 0
fi

if [ "$crate_version" != "$flags_from" ]; then
  echo "rocksdb: the flags in scripts/rocksdb.sh are those of librocksdb-sys $flags_from; compare them with" \
    "build.rs of $crate_version, then change flags_from" >&2
fi

mkdir -p "$cache"
# One build at a time; whoever waited finds the library made.
exec 9> "$cache/rocksdb.lock"
if ! flock -n 9; then
  echo "rocksdb: another build is running, waiting for it"
  flock 9
fi
if [ -f "$dir/lib/librocksdb.a" ]; then
  exit 0
fi

# The crate's sources: cargo unpacks them below its home. Only where they are not there yet is cargo
# asked, because it also wants every manifest of the workspace to be sound.
find_crate() {
  local found
  for found in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/librocksdb-sys-"$crate_version"; do
    if [ -f "$found/rocksdb_lib_sources.txt" ]; then
      echo "$found"
      return
    fi
  done
}
# rustup's installer tells only new login shells where cargo is.
PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
crate=$(find_crate)
if [ -z "$crate" ]; then
  echo "rocksdb: fetching the sources of all dependencies (about half a minute)"
  # For this machine only: other systems' crates are a third of them.
  cargo fetch --locked --manifest-path "$here/Cargo.toml" --target "$(rustc -vV | sed -n 's/^host: //p')"
  crate=$(find_crate)
fi
if [ -z "$crate" ]; then
  # A vendored or replaced registry keeps them elsewhere.
  manifest=$(cargo metadata --locked --format-version 1 --manifest-path "$here/Cargo.toml" |
    grep -o '"manifest_path":"[^"]*librocksdb-sys[^"]*"' | cut -d '"' -f 4 | head -n 1)
  crate=${manifest%/Cargo.toml}
fi
if [ ! -f "$crate/rocksdb_lib_sources.txt" ]; then
  echo "rocksdb: cannot find the sources of librocksdb-sys $crate_version" >&2
  exit 1
fi
flags+=("-I$crate/rocksdb/include" "-I$crate/rocksdb"
  "-I$crate/rocksdb/third-party/gtest-1.8.1/fused-src" "-I$crate")

# What a killed run left behind; under the lock nobody uses it.
rm -rf "$cache"/rocksdb-build.*
tmp=$(mktemp -d "$cache/rocksdb-build.XXXXXX")
cleanup() {
  local pids
  pids=$(jobs -p)
  # shellcheck disable=SC2086 # one word per process
  if [ -n "$pids" ]; then kill $pids 2>/dev/null || true; fi
  rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# Divide the sources into units. build_version.cc is left out of the list and taken from the crate, as
# its build script does: RocksDB would generate it from git.
mapfile -t sources < <(grep -v '^util/build_version\.cc$' "$crate/rocksdb_lib_sources.txt" | tr -d ' \r' | grep .)
declare -A size
total=0
for source in "${sources[@]}"; do
  size[$source]=$(stat -c %s "$crate/rocksdb/$source")
  total=$((total + size[$source]))
done
declare -a names
sum=0
for source in "${sources[@]}"; do
  name=$(printf 'unit%03d' $((sum * units / total)))
  sum=$((sum + size[$source]))
  [ -f "$tmp/$name.cc" ] || names+=("$name")
  echo "#include \"$source\"" >> "$tmp/$name.cc"
done
echo '#include "build_version.cc"' > "$tmp/version.cc"
names+=(version)

# As many compilers at once as there are cores and memory for.
jobs=$(nproc)
memory=$(awk '$1 == "MemAvailable:" { print int($2 / 1500000) }' /proc/meminfo 2>/dev/null || echo 1)
[ "${memory:-1}" -ge 1 ] || memory=1
[ "$jobs" -le "$memory" ] || jobs=$memory

compile() {
  if "$cxx" "${flags[@]}" -c "$tmp/$1.cc" -o "$tmp/$1.part" 2> "$tmp/$1.log" 9>&-; then
    mv "$tmp/$1.part" "$tmp/$1.o"
  else
    touch "$tmp/$1.failed"
  fi
}

# Compiles the named units, with a line of progress as each is done. One that fails leaves NAME.failed.
compile_all() {
  local count=$# done=0 running=0 began=$SECONDS name left
  while [ $# -gt 0 ] || [ "$running" -gt 0 ]; do
    while [ $# -gt 0 ] && [ "$running" -lt "$jobs" ]; do
      compile "$1" &
      running=$((running + 1))
      shift
    done
    wait -n || true
    running=$((running - 1))
    done=$((done + 1))
    left=$(((SECONDS - began) * (count - done) / done))
    if [ "$done" -lt "$count" ]; then
      if [ "$left" -ge 90 ]; then
        left="about $(((left + 30) / 60)) min left"
      else
        left="about $left s left"
      fi
      echo "rocksdb: $done of $count units, $left"
    fi
  done
}

minutes=$(((420 + 60 * jobs - 1) / (60 * jobs)))
echo "rocksdb: building RocksDB ${crate_version#*+} once for this user with $jobs compilers at a time," \
  "about $minutes min when nothing else runs"
start=$SECONDS
compile_all "${names[@]}"

# A unit can fail where two of its files use the same name for different things. Its files then
# compile one by one; a file that fails alone is a real error.
singles=()
for name in "${names[@]}"; do
  [ -f "$tmp/$name.failed" ] || continue
  rm "$tmp/$name.failed"
  count=0
  while read -r line; do
    count=$((count + 1))
    echo "$line" > "$tmp/${name}_$count.cc"
    singles+=("${name}_$count")
  done < "$tmp/$name.cc"
done
if [ ${#singles[@]} -gt 0 ]; then
  echo "rocksdb: some units do not compile as a whole; compiling their ${#singles[@]} files one by one"
  compile_all "${singles[@]}"
  for name in "${singles[@]}"; do
    if [ -f "$tmp/$name.failed" ]; then
      echo "rocksdb: this does not compile: $(cat "$tmp/$name.cc")" >&2
      head -n 40 "$tmp/$name.log" >&2
      exit 1
    fi
  done
fi

mkdir -p "$tmp/out/lib" "$tmp/out/include"
(cd "$tmp" && "${AR:-ar}" crs out/lib/librocksdb.a ./*.o)
cp -R "$crate/rocksdb/include/rocksdb" "$tmp/out/include/"

# Before anybody relies on it: link the whole archive, which finds a missing or doubled symbol
# anywhere in it, and write and read a database through the C interface that the crate uses.
cat > "$tmp/check.c" << 'C'
#include <rocksdb/c.h>
#include <string.h>
int main(int argc, char** argv) {
  char* err = 0;
  size_t length = 0;
  rocksdb_options_t* options = rocksdb_options_create();
  rocksdb_options_set_create_if_missing(options, 1);
  rocksdb_t* db = rocksdb_open(options, argv[argc - 1], &err);
  if (err) return 1;
  rocksdb_writeoptions_t* write = rocksdb_writeoptions_create();
  rocksdb_writeoptions_set_sync(write, 1);
  rocksdb_writebatch_t* batch = rocksdb_writebatch_create();
  rocksdb_writebatch_put(batch, "key", 3, "value", 5);
  rocksdb_write(db, write, batch, &err);
  if (err) return 2;
  rocksdb_flushoptions_t* flush = rocksdb_flushoptions_create();
  rocksdb_flush(db, flush, &err);
  if (err) return 3;
  rocksdb_readoptions_t* read = rocksdb_readoptions_create();
  char* value = rocksdb_get(db, read, "key", 3, &length, &err);
  if (err || length != 5 || memcmp(value, "value", 5) != 0) return 4;
  rocksdb_close(db);
  return 0;
}
C
"$cxx" -x c "-I$tmp/out/include" -c "$tmp/check.c" -o "$tmp/check.obj"
"$cxx" "$tmp/check.obj" -Wl,--whole-archive "$tmp/out/lib/librocksdb.a" -Wl,--no-whole-archive \
  -lpthread -ldl -o "$tmp/check"
"$tmp/check" "$tmp/db"

rm -rf "$dir"
mv "$tmp/out" "$dir"
echo "rocksdb: built in $((SECONDS - start)) s, kept in $dir"
