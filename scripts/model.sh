#!/usr/bin/env bash
# The protocol's model (specs/model): simulated by Quint, runs with something planted that must be caught among them.
#
#   scripts/model.sh          what every change goes through, about a minute and a half of two processors
#   scripts/model.sh --long   twenty times the samples, and fresh traces for the real core (make model)
#   scripts/model.sh --keep   draws the traces that consensus/tests/model/traces keeps anew
#
# Quint is installed once for each version of specs/model/package-lock.json, into the cache.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/env.sh
source "$here/scripts/env.sh"
mode=${1:-}
times=1
[ "$mode" != --long ] || times=20

model=$here/specs/model
key=$(cat "$model/package.json" "$model/package-lock.json" <(node --version) | sha256sum | cut -c 1-12)
tools=$HOVEDBOK_CACHE/model-$key
if [ ! -f "$tools/ready" ]; then
  mkdir -p "$HOVEDBOK_CACHE"
  # One installation at a time; whoever waited finds it made.
  exec 9> "$HOVEDBOK_CACHE/model.lock"
  flock 9
  if [ ! -f "$tools/ready" ]; then
    echo "model: installing Quint (about 10 s)"
    rm -rf "$tools"
    mkdir -p "$tools"
    cp "$model/package.json" "$model/package-lock.json" "$tools/"
    (cd "$tools" && timeout 300 npm ci --ignore-scripts --no-audit --no-fund --loglevel=error > /dev/null)
    touch "$tools/ready"
  fi
  exec 9>&-
fi
# The default backend is a program that Quint would download.
quint() { timeout 1800 "$tools/node_modules/.bin/quint" run --backend=typescript --verbosity=1 "$@"; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$model"

# Each run: what, module, invariant, samples, steps, seed, further options. "holds" must find nothing in all samples;
# "breaks" and "reaches" must find a violation, or the model could not tell right from wrong, or never got anywhere.
runs=$work/runs
cat > "$runs" << 'END'
holds standard safe 40 60 11
holds second safe 40 60 12
holds overrun safeThoughOverrun 30 60 14
holds amnesia safe 40 60 15
holds amnesia safe 30 45 16 --init=initAhead --step=stepLoss
holds amnesiaTwice safe 40 45 17 --init=initAhead --step=stepLoss
holds epoch safe 30 60 18
holds epoch safe 8 80 19 --step=stepFair
holds timersHeal law 2 200 20
holds timersOneGone law 2 200 21
holds timersNoQuorum law 2 200 22
breaks badQuorum exclusions 200 40 7
breaks badOrder ownVotes 500 40 0x19ee
breaks badFinalize ownVotes 200 60 7
breaks badVoteFromSame ownVotes 800 45 0x929c --init=initAhead --step=stepLoss
breaks badVoteFromNext ownVotes 800 45 0x116e --init=initAhead --step=stepLoss
breaks badAnswers ownVotes 800 45 0x1317e --init=initAhead --step=stepLoss
breaks badStale ownVotes 800 45 0x10723 --init=initAhead --step=stepLoss
breaks badAmnesiacs ownVotes 800 50 0x72d59 --init=initAhead --step=stepLoss
breaks badStart oneStart 500 80 0x29e9 --step=stepFair
breaks timersRunAway law 5 200 1
reaches overrun agreement 500 60 7
reaches standard noneBeside 400 60 31
reaches standard noneRecast 100 60 32
reaches standard noneInvalid 100 60 33
reaches second noneFinalThrice 200 100 34 --step=stepFair
reaches amnesia noneRegained 800 80 35
reaches epoch noneClosed 200 80 36 --step=stepFair
END

one() {
  local kind=$1 module=$2 invariant=$3 samples=$4 steps=$5 seed=$6 file=runs.qnt started ended out
  shift 6
  case $module in timers*) file=timers.qnt ;; esac
  [ "$kind" != holds ] || samples=$((samples * times))
  started=$(date +%s)
  out=$(quint "$file" --main="$module" --invariant="$invariant" --max-samples="$samples" --max-steps="$steps" \
    --seed="$seed" "$@" 2>&1) || true
  ended=$(date +%s)
  local line="$module, $invariant: $samples samples of $steps steps at most, seed $seed${*:+, $*}, $((ended - started)) s"
  case $kind in
    holds) if grep -q 'No violation found' <<< "$out"; then echo "model: holds: $line"; return 0; fi ;;
    *) if grep -q '\[violation\]' <<< "$out"; then echo "model: $kind: $line"; return 0; fi ;;
  esac
  echo "model: FAILED, expected \"$kind\": $line"
  echo "$out"
  return 1
}

# Traces for the real core: some that get somewhere, and some of any kind.
traces() {
  local folder=$1 count=$2 seed=$3 module
  mkdir -p "$folder"
  while read -r name module invariant steps more; do
    # shellcheck disable=SC2086
    quint runs.qnt --main="$module" --invariant="$invariant" --max-samples=2000 --max-steps="$steps" --seed="$seed" $more \
      --out-itf="$work/$name.itf.json" > /dev/null 2>&1 || true
    node thin.mjs "$work/$name.itf.json" > "$folder/$name.json"
  done << 'END'
final second noneFinalThrice 100 --step=stepFair
beside standard noneBeside 60
recast standard noneRecast 60
regained amnesia noneRegained 80
END
  for module in standard second amnesia; do
    quint runs.qnt --main="$module" --max-samples="$count" --n-traces="$count" --max-steps=70 --seed="$seed" \
      --out-itf="$work/${module}_{seq}.itf.json" > /dev/null
    for trace in "$work/${module}"_*.itf.json; do
      node thin.mjs "$trace" > "$folder/$(basename "$trace" .itf.json).json"
    done
  done
}

if [ "$mode" = --keep ]; then
  rm -rf "$here/consensus/tests/model/traces"
  traces "$here/consensus/tests/model/traces" 3 5
  exit 0
fi

started=$(date +%s)
# Two at a time, because Quint uses one processor.
lane() {
  local failed=0 index=0
  while read -r -a run; do
    if [ $((index++ % 2)) = "$1" ]; then one "${run[@]}" || failed=1; fi
  done < "$runs"
  return "$failed"
}
lane 0 & first=$!
failed=0
lane 1 || failed=1
wait "$first" || failed=1
echo "model: $(wc -l < "$runs") runs of the model, $(($(date +%s) - started)) s"
[ "$failed" = 0 ] || exit 1

if [ "$mode" = --long ]; then
  seed=${SEED:-$(date +%s)}
  echo "model: drawing traces from seed $seed and replaying them in the real core"
  traces "$work/traces" 40 "$seed"
  export MODEL_TRACES=$work/traces
  cd "$here"
  cargo test --workspace --test traces -- --nocapture
  echo "model: exploring the real core"
  DEPTH=${DEPTH:-9} MODEL_SECONDS=${MODEL_SECONDS:-600} COURSES=${COURSES:-100000} \
    cargo test --workspace --test model -- --nocapture --test-threads=1
fi
