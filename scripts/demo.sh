#!/usr/bin/env bash
# The demonstration that "make demo" runs once everything is built: four validators, a bank, and every
# invoice of a folder on its way from document to payment and proof.
#
#   INVOICES=dir   use the invoices in this directory instead of the ones shipped
#   KEEP=1         leave the validators running and the files behind, and say where
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/env.sh
source "$here/scripts/env.sh"

invoices=${INVOICES:-$here/demo/invoices}
if ! compgen -G "$invoices/*.xml" > /dev/null; then
  echo "demo: INVOICES=$invoices holds no *.xml" >&2
  exit 2
fi
invoices=$(cd "$invoices" && pwd)

work=$(mktemp -d "${TMPDIR:-/tmp}/hovedbok-demo.XXXXXX")
network=
bank=
cleanup() {
  local status=$?
  # Only the processes started here, by their number.
  if [ -n "$bank" ]; then kill "$bank" 2> /dev/null || true; fi
  if [ "${KEEP:-}" = 1 ] && [ "$status" = 0 ]; then
    printf '\nkept: %s\n' "$work"
    echo "      export HOVEDBOK_NODE=$HOVEDBOK_NODE HOVEDBOK_GENESIS=$HOVEDBOK_GENESIS"
    echo "      stop the validators with: kill $network"
    exit 0
  fi
  if [ -n "$network" ]; then
    kill "$network" 2> /dev/null || true
    wait "$network" 2> /dev/null || true
  fi
  if [ "$status" != 0 ]; then
    echo "demo: failed; logs and files are in $work" >&2
  else
    rm -rf "$work"
  fi
  exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# A copy, because another build may replace the programs while they run.
for program in hovedbok hovedbok-node; do
  if [ ! -x "$CARGO_TARGET_DIR/debug/$program" ]; then
    echo "demo: $program is not built; run make demo" >&2
    exit 1
  fi
  cp "$CARGO_TARGET_DIR/debug/$program" "$work/$program"
done
PATH=$work:$PATH
cd "$work"

step() { printf '\n== %s\n' "$*"; }
indented() { sed 's/^./    &/'; }
# Waits until a process writes a line that matches, and prints the match: awaited PID FILE SED-EXPRESSION.
awaited() {
  local line tries=3600
  while [ $tries -gt 0 ] && kill -0 "$1" 2> /dev/null; do
    line=$(sed -n "$3" "$2" 2> /dev/null | head -n 1)
    if [ -n "$line" ]; then
      echo "$line"
      return
    fi
    tries=$((tries - 1))
    sleep 0.1
  done
  echo "demo: it did not start; $2 holds:" >&2
  cat "$2" >&2
  return 1
}

step "Four validators (the state, Stavanger, Sandnes, Tønsberg) and a bank"
# The bank pays on working days only; the books follow its day.
day=$(TZ=Europe/Oslo date +%F)
weekday=$(date -d "$day" +%u)
if [ "$weekday" -gt 5 ]; then day=$(date -d "$day -$((weekday - 5)) days" +%F); fi
bash "$here/scripts/judges.sh" mock-bank --port 0 --timezone Europe/Oslo --clock "${day}T09:00" \
  > bank.log 2>&1 < /dev/null &
bank=$!
hovedbok-node localnet --dir net > net.log 2>&1 < /dev/null &
network=$!
HOVEDBOK_NODE=$(awaited $network net.log 's|^ready \(http://[^ ]*\).*|\1|p')
bank_url=$(awaited $bank bank.log 's|.*listening on \(http://[0-9.:]*\)/.*|\1|p')
export HOVEDBOK_NODE HOVEDBOK_GENESIS=$work/net/genesis.bin
hovedbok checkpoint

step "Invoices in $invoices"
accepted=()
for file in "$invoices"/*.xml; do
  if hovedbok check "$file" > check.txt 2> /dev/null; then accepted+=("$file"); fi
  sed "s|^$invoices/||" check.txt | indented
done
echo "${#accepted[@]} accepted"
if [ ${#accepted[@]} = 0 ]; then
  echo "demo: every file of $invoices is refused; the reasons stand above" >&2
  exit 1
fi

step "Who is named in them: registered by the registrar, with keys for five hands at each buyer"
registrar=net/keys/registrar.key
mkdir keys receipts orders
buyers=()
while IFS=$'\t' read -r number role kind name; do
  # A buyer here is a municipality; only a register would know better.
  if [ "$role" = buyer ]; then kind=municipality buyers+=("$number"); fi
  if ! hovedbok entity "$number" > /dev/null 2>&1; then
    hovedbok --brief register entity "$number" --name "$name" --kind "$kind" --books 2026-01 \
      --key "$registrar" --receipts receipts | indented
  fi
done < <(hovedbok parties "${accepted[@]}")
for buyer in "${buyers[@]}"; do
  holder=0
  # The attester might approve as well, but never what the same person attested.
  for role in submit attest,approve approve order bank; do
    holder=$((holder + 1))
    hovedbok keygen "keys/$buyer-${role%,*}.key" > /dev/null
    hovedbok --brief register key "keys/$buyer-${role%,*}.key" --entity "$buyer" --holder "$holder" --role "$role" \
      --from "$day" --key "$registrar" > /dev/null
  done
  hovedbok entity "$buyer" | head -n 1 | indented
done

step "Submitted: each invoice books itself on both sides (the first two in full)"
documents=()
declare -A buyer_of
for file in "${accepted[@]}"; do
  buyer=$(hovedbok parties "$file" | awk '$2 == "buyer" { print $1 }')
  if ! hovedbok submit "$file" --archive "archive/$buyer" --key "keys/$buyer-submit.key" --coding 1.222.260 \
    --date "$day" --receipts receipts > submitted.txt 2> refused.txt; then
    sed "s|$invoices/||" refused.txt
    continue
  fi
  document=$(sed -n '1s/^register \(.*\): posted at leaf .*/\1/p' submitted.txt)
  documents+=("$document")
  buyer_of[$document]=$buyer
  if [ ${#documents[@]} -le 2 ]; then indented < submitted.txt; else head -n 1 submitted.txt | indented; fi
done
if [ ${#documents[@]} = 0 ]; then
  echo "demo: the ledger refuses every invoice of $invoices; the reasons stand above" >&2
  exit 1
fi

step "Attested by one person, approved by another; whoever attested may not approve (rule L7)"
payable=()
for document in "${documents[@]}"; do
  buyer=${buyer_of[$document]}
  standing=$(hovedbok document "$document" | head -n 1)
  case $standing in
    *,\ registered) ;;
    *) echo "    $standing: nothing to pay"; continue ;;
  esac
  hovedbok --brief attest "$document" --key "keys/$buyer-attest.key" --receipts receipts | indented
  if [ ${#payable[@]} = 0 ] && hovedbok --brief approve "$document" --key "keys/$buyer-attest.key" 2>&1 | indented; then
    echo "demo: one person approved what the same person attested" >&2
    exit 1
  fi
  hovedbok --brief approve "$document" --key "keys/$buyer-approve.key" --receipts receipts | indented
  case $standing in *invoice,*) payable+=("$document") ;; esac
done

# The next account number of Norwegian form, with its MOD 11 digit, and its IBAN.
serial=0
next_account() {
  local digits sum check=10 i weights=(5 4 3 2 7 6 5 4 3 2)
  while [ "$check" = 10 ]; do
    serial=$((serial + 1)) sum=0
    digits=$((1506000000 + serial))
    for i in {0..9}; do sum=$((sum + ${digits:i:1} * weights[i])); done
    check=$(((11 - sum % 11) % 11))
  done
  account=$digits$check
  iban=$(printf 'NO%02d%s' $((98 - ${account}232400 % 97)) "$account")
}
# Opens an account at the bank: open_account ID MORE-JSON; its number is in $account then.
open_account() {
  next_account
  curl -sS --fail -o /dev/null "$bank_url/_mock/accounts" -d "{\"id\": \"$1\", \"name\": \"$1\",
    \"iban\": \"$iban\", \"account_number\": \"$account\", \"currency\": \"NOK\", \"balance\": 100000000000$2}"
}
# Orders documents from an account, hands the file to the bank, and books what the bank answers. What
# is refused on the way is told and left as it stands: pay BUYER ACCOUNT DOCUMENT...
pay() {
  local buyer=$1 from=$2 file=orders/$2.xml
  shift 2
  hovedbok --brief order "$@" --debtor-account "$from" --archive "archive/$buyer" --out "$file" --on "$day" \
    --key "keys/$buyer-order.key" --receipts receipts 2>&1 | indented || true
  if [ ! -f "$file" ]; then return; fi
  curl -sS -o /dev/null --data-binary "@$file" "$bank_url/payments"
  local message answer with=(--archive "archive/$buyer" --key "keys/$buyer-bank.key" --receipts receipts)
  for message in pain.002 camt.054; do
    answer=orders/$from.$message.xml
    curl -sS "$bank_url/_mock/mailbox?raw&type=$message" > "$answer"
    # Nothing was booked where everything was refused.
    if ! grep -q '<' "$answer"; then continue; fi
    case $message in
      pain.002) hovedbok --brief reject "$answer" "${with[@]}" 2>&1 | indented || true ;;
      camt.054) hovedbok --brief settle "$answer" "${with[@]}" 2>&1 | indented || true ;;
    esac
  done
}

step "Ordered (pain.001), paid by the bank (camt.054), settled on both sides"
# The last one is ordered from an account that the bank has closed.
rejected=
if [ ${#payable[@]} -gt 1 ]; then
  rejected=${payable[-1]}
  unset 'payable[-1]'
fi
for buyer in "${buyers[@]}"; do
  due=()
  for document in "${payable[@]}"; do
    if [ "${buyer_of[$document]}" = "$buyer" ]; then due+=("$document"); fi
  done
  if [ ${#due[@]} -gt 0 ]; then
    open_account "PAYER-$buyer" ""
    pay "$buyer" "$account" "${due[@]}"
  fi
done
if [ -n "$rejected" ]; then
  step "One payment is refused by the bank (pain.002): it stays approved and may be ordered again"
  open_account CLOSED ', "closed": true'
  pay "${buyer_of[$rejected]}" "$account" "$rejected"
  hovedbok document "$rejected" | indented
fi

step "Trial balances: every account with postings, none left out"
mapfile -t entities < <(hovedbok parties "${accepted[@]}" | cut -f 1)
for entity in "${entities[@]}"; do
  if hovedbok accounts "$entity" --period "${day%-*}" > balance.txt 2> refused.txt; then
    indented < balance.txt
  else
    echo "    $entity: nothing is booked" # The node's word: that nothing is there cannot be proven.
  fi
done

step "Receipts: verified against genesis alone, without any node"
all=(receipts/*.kvittering)
HOVEDBOK_NODE='' hovedbok --brief verify "${all[@]}" > verified.txt
tail -n 3 verified.txt | indented
echo "    ${#all[@]} receipts, all hold"
altered=altered.kvittering
registered=(receipts/*-register.kvittering)
cp "${registered[0]}" "$altered"
# One byte in the middle of the entry becomes another letter.
byte=$(dd if="$altered" bs=1 skip=200 count=1 2> /dev/null)
if [ "$byte" = A ]; then byte=B; else byte=A; fi
printf '%s' "$byte" | dd of="$altered" bs=1 seek=200 conv=notrunc 2> /dev/null
echo "    one byte of one receipt is changed:"
if hovedbok verify "$altered" 2>&1 | indented; then
  echo "demo: an altered receipt was believed" >&2
  exit 1
fi

step "Journals, as other people's programs read them"
for entity in "${entities[@]}"; do
  hovedbok journal "$entity" --year "${day%%-*}" --hledger >> books.journal 2> refused.txt || true
done
if command -v hledger > /dev/null; then
  hledger -f books.journal check
  echo "    hledger checks $(grep -c '^[0-9]' books.journal) entries: every one balances"
else
  echo "    $(grep -c '^[0-9]' books.journal) entries; hledger is not installed, so nobody else checked them"
fi

step "Done: ${#documents[@]} documents of ${#accepted[@]} accepted, $(hovedbok --brief checkpoint | sed -n '2s/^ *\([0-9]*\) leaves.*/\1/p') leaves in the log"
