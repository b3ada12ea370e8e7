#!/usr/bin/env bash
# The demonstration that "make demo" runs once everything is built.
#
#   INVOICES=dir   use the invoices in this directory instead of the ones shipped
#   KEEP=1         leave the validators' directories and receipts behind, and say where
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/env.sh
source "$here/scripts/env.sh"

invoices=${INVOICES:-}
if [ -n "$invoices" ] && [ ! -d "$invoices" ]; then
  echo "demo: INVOICES=$invoices is not a directory" >&2
  exit 2
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/hovedbok-demo.XXXXXX")
validators=()
cleanup() {
  local status=$?
  # Only the processes started here, by their number.
  if [ ${#validators[@]} -gt 0 ]; then
    kill "${validators[@]}" 2> /dev/null || true
    wait "${validators[@]}" 2> /dev/null || true
  fi
  if [ "${KEEP:-}" = 1 ]; then
    echo "demo: kept in $work"
  else
    rm -rf "$work"
  fi
  exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# A copy, because another build may replace the programs while they run.
for program in hovedbok; do
  if [ ! -x "$CARGO_TARGET_DIR/debug/$program" ]; then
    echo "demo: $program is not built; run make demo" >&2
    exit 1
  fi
  cp "$CARGO_TARGET_DIR/debug/$program" "$work/$program"
done

"$work/hovedbok" --version
