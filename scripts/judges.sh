#!/usr/bin/env bash
# Judges: programs that nobody here wrote, and that must agree with what we wrote.
#
#   scripts/judges.sh               run every judge in tests/judges
#   scripts/judges.sh COMMAND ...   run one command among the judges' Python programs (bean-check,
#                                   mock-bank, python)
#
# The Python programs live in an environment of their own in the cache, made once for each version of
# requirements.txt. A judge is an executable file in tests/judges; it passes when it exits with 0.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/env.sh
source "$here/scripts/env.sh"

requirements=$here/scripts/requirements.txt
# An environment works only with the Python that made it.
key=$( (python3 -c 'import sys; print(sys.version, sys.base_prefix)'; cat "$requirements") | sha256sum | cut -c 1-12)
venv=$HOVEDBOK_CACHE/judges-$key

if [ ! -f "$venv/ready" ]; then
  mkdir -p "$HOVEDBOK_CACHE"
  # One installation at a time; whoever waited finds it made.
  exec 9> "$HOVEDBOK_CACHE/judges.lock"
  flock 9
  if [ ! -f "$venv/ready" ]; then
    echo "judges: installing the programs of requirements.txt (about 30 s)"
    rm -rf "$venv"
    python3 -m venv "$venv"
    timeout 300 "$venv/bin/pip" install --quiet --disable-pip-version-check --retries 2 --timeout 30 \
      --requirement "$requirements"
    touch "$venv/ready"
  fi
  exec 9>&-
fi
export PATH="$venv/bin:$PATH"

if [ $# -gt 0 ]; then
  exec "$@"
fi

passed=0
failed=0
for judge in "$here"/tests/judges/*; do
  if [ ! -f "$judge" ] || [ ! -x "$judge" ]; then continue; fi
  name=$(basename "$judge")
  echo "judges: $name"
  # Bounded: a judge that waits for something that never comes must not hold up everything.
  if timeout 300 "$judge" < /dev/null; then
    passed=$((passed + 1))
  else
    echo "judges: $name failed"
    failed=$((failed + 1))
  fi
done
if [ $((passed + failed)) = 0 ]; then
  echo "judges: none in tests/judges yet"
else
  echo "judges: $passed passed, $failed failed"
fi
[ "$failed" = 0 ]
