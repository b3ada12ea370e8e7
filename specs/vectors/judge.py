#!/usr/bin/env python3
"""A judge for what we claim to share with other transparency logs.

tlog-scales, a program for C2SP logs that nobody here wrote, reads the vectors beside this file: it
checks the validators' cosignatures, checkpoints and paths of every receipt, and makes a tlog-proof of
its own from our tiles, which must be our receipt without the entry.
"""

import base64
import contextlib
import io
import json
import logging
import pathlib
import re
import sys

from tlog_scales import cli, signing, tiles, tlog

logging.disable()  # It logs each signature that does not hold; many must not.
vectors = pathlib.Path(__file__).resolve().parent
trust = json.loads((vectors / "trust.json").read_text())
# Read from the policy, as any verifier of tlog-policy would.
members = re.findall(r"^witness \S+ (\S+)$", trust["policy"], re.MULTILINE)
quorum = int(re.search(r"^group validators (\d+) ", trust["policy"], re.MULTILINE)[1])
keys = signing.VkeySet(*[signing.Vkey.from_string(member) for member in members])


def leaf_of(extra: bytes) -> bytes:
    """The entry: after the format (2 bytes) comes its length (8 bytes, little-endian)."""
    length = int.from_bytes(extra[2:10], "little")
    return extra[10 : 10 + length]


def refusal(path: pathlib.Path) -> str | None:
    """Why another program would not believe the receipt; None if it does."""
    try:
        head, note = path.read_bytes().decode().split("\n\n", 1)
        magic, extra, index, *hashes = head.split("\n")
        if magic != "c2sp.org/tlog-proof@v1" or not extra.startswith("extra "):
            return "form"
        leaf = leaf_of(base64.b64decode(extra.removeprefix("extra ")))
        checkpoint = tlog.Checkpoint.from_text(note)
        if checkpoint.origin != trust["origin"]:
            return "origin"
        valid = keys.verify(checkpoint.signatures, checkpoint)
        if len({vkey.pubkey for vkey, _ in valid}) < quorum:
            return "quorum"
        proof = tlog.InclusionProof(
            int(index.removeprefix("index ")), checkpoint.size, [base64.b64decode(h) for h in hashes]
        )
        proof.check(tiles.leaf_hash(leaf), checkpoint.root_hash)
    except (ValueError, IndexError, tlog.InclusionProofInvalid) as error:
        return str(error) or type(error).__name__
    return None


failures = []


def expect(what: str, holds: bool) -> None:
    if not holds:
        failures.append(what)
        print(f"c2sp: {what}: tlog-scales disagrees")


# What these steps check is what the two programs share; strict form, times and records are ours.
SHARED = {2, 5, 6, 8}
OURS_ALONE = {"spare-signature", "future"}
judged = 0
for case in json.loads((vectors / "receipts.json").read_text()):
    path = vectors / case["file"]
    if case["handoffs"]:
        continue  # The policy is that of the first validator set; other programs know no handoff.
    if case["holds"]:
        why = refusal(path)
        expect(f"{path.name} holds, but: {why}", why is None)
    elif case["step"] in SHARED and path.stem not in OURS_ALONE:
        expect(f"{path.name} is refused ({case['what']})", refusal(path) is not None)
    else:
        continue
    judged += 1

for case in json.loads((vectors / "tree.json").read_text())["consistency"]:
    old, new = case["old_size"], case["new_size"]
    proof = tlog.ConsistencyProof(old, new, [bytes.fromhex(h) for h in case["path"]])
    try:
        proof.check(bytes.fromhex(case["old_root"]), bytes.fromhex(case["new_root"]))
        held = True
    except tlog.ConsistencyProofInvalid:
        held = False
    expect(f"consistency from {old} to {new}: {case['holds']}", held == case["holds"])
    judged += 1

receipt = (vectors / "receipts" / "invoice.kvittering").read_text().split("\n")
without_entry = "\n".join(line for line in receipt if not line.startswith("extra "))
made = io.StringIO()
with contextlib.redirect_stdout(made):
    sys.argv = ["tlog-tiles", "gen-proof", str(vectors / "log"), "6"]
    cli.main()
expect("the proof that it makes from our tiles is our receipt without the entry", made.getvalue() == without_entry)
judged += 1

print(f"c2sp: tlog-scales judged {judged} receipts and proofs")
sys.exit(1 if failures else 0)
