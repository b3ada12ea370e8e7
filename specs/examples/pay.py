#!/usr/bin/env python3
"""A payment system in Python: builds a transaction, signs it, submits it and keeps the receipt.

    pay.py --node http://127.0.0.1:8080 --genesis genesis.bin --key clerk.key --as 964965226 invoice.json
    pay.py --vectors ../vectors

It knows Hovedbok from specs/formats.md alone: it reads the types out of that page, so that every
operation there can be written as JSON. A struct is an object; a variant is its name or, with fields,
{name: {fields}}; bytes are hex; a date is the number yyyymmdd, an amount øre. The one package it needs
is `cryptography`. It believes the node's answer; `hovedbok verify` is who proves a receipt.
"""

import argparse
import base64
import hashlib
import json
import pathlib
import re
import sys
import urllib.error
import urllib.request

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PAGE = pathlib.Path(__file__).resolve().parent.parent / "formats.md"
INTEGERS = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "i64": 8, "i128": 16}


def layout(page: str) -> dict:
    """The types of section 2.1: name -> ("newtype", type) | ("struct", fields) | ("enum", variants)."""
    types, fields, variants = {}, None, None
    for line in re.search(r"```layout\n(.*?)```", page, re.DOTALL)[1].splitlines():
        words = line.split()
        if not words:
            continue
        match words[0]:
            case "newtype":
                types[words[1]] = ("newtype", words[2])
            case "struct":
                fields, variants = [], None
                types[words[1]] = ("struct", fields)
            case "enum":
                variants = {}
                types[words[1]] = ("enum", variants)
            case number if number.isdigit():
                fields = []
                variants[words[1]] = (int(number), fields)
            case field:
                fields.append((field.removesuffix(":"), words[1]))
    return types


class Codec:
    """Section 1: each value has exactly one encoding."""

    def __init__(self, types: dict):
        self.types = types

    def encode(self, kind: str, value) -> bytes:
        if kind in INTEGERS:
            return int(value).to_bytes(INTEGERS[kind], "little", signed=kind[0] == "i")
        if kind == "bool":
            return bytes([bool(value)])
        if kind == "string":
            text = value.encode()
            return len(text).to_bytes(8, "little") + text
        if inner := re.fullmatch(r"bytes(\d+)", kind):
            raw = bytes.fromhex(value)
            if len(raw) != int(inner[1]):
                raise ValueError(f"{kind}: {len(raw)} bytes given")
            return raw
        if inner := re.fullmatch(r"list<(.+)>", kind):
            items = [self.encode(inner[1], item) for item in value]
            return len(items).to_bytes(8, "little") + b"".join(items)
        if inner := re.fullmatch(r"option<(.+)>", kind):
            return b"\0" if value is None else b"\1" + self.encode(inner[1], value)
        form, parts = self.types[kind]
        if form == "newtype":
            return self.encode(parts, value)
        if form == "struct":
            return self.fields(kind, parts, value)
        name, inside = (value, {}) if isinstance(value, str) else next(iter(value.items()))
        tag, fields = parts[name]
        return tag.to_bytes(4, "little") + self.fields(name, fields, inside)

    def fields(self, name: str, fields: list, value: dict) -> bytes:
        if unknown := set(value) - {field for field, _ in fields}:
            raise ValueError(f"{name} has no {', '.join(sorted(unknown))}")
        return b"".join(self.encode(kind, value[field]) for field, kind in fields)

    def decode(self, kind: str, data: bytes, at: int = 0):
        """The value that begins at a place, and the place after it."""
        if kind in INTEGERS:
            end = at + INTEGERS[kind]
            return int.from_bytes(data[at:end], "little", signed=kind[0] == "i"), end
        if kind == "bool":
            return {0: False, 1: True}[data[at]], at + 1
        if inner := re.fullmatch(r"bytes(\d+)", kind):
            end = at + int(inner[1])
            return data[at:end].hex(), end
        if kind == "string" or kind.startswith("list<"):
            count, at = self.decode("u64", data, at)
            if count > len(data) - at:
                raise ValueError("a length beyond the end")
            if kind == "string":
                return data[at : at + count].decode(), at + count
            items = []
            for _ in range(count):
                item, at = self.decode(kind[5:-1], data, at)
                items.append(item)
            return items, at
        if inner := re.fullmatch(r"option<(.+)>", kind):
            there, at = self.decode("bool", data, at)
            return self.decode(inner[1], data, at) if there else (None, at)
        form, parts = self.types[kind]
        if form == "newtype":
            return self.decode(parts, data, at)
        name = None
        if form == "enum":
            number, at = self.decode("u32", data, at)
            name, parts = next((name, fields) for name, (tag, fields) in parts.items() if tag == number)
        value = {}
        for field, inner in parts:
            value[field], at = self.decode(inner, data, at)
        if name is None:
            return value, at
        return ({name: value} if parts else name), at


def message(chain: bytes, transaction: bytes) -> bytes:
    """Section 4: what a key signs of a transaction, whose purpose is 16."""
    return b"hovedbok/v1" + bytes([16]) + chain + transaction


def sign(codec: Codec, chain: bytes, transaction: bytes, keys: list) -> bytes:
    """A SignedTransaction, its signatures in rising order of key."""
    signatures = []
    for key in keys:
        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        signatures.append((public, key.sign(message(chain, transaction))))
    pairs = [{"key": public.hex(), "signature": made.hex()} for public, made in sorted(signatures)]
    return transaction + codec.encode("list<KeySignature>", pairs)


def read_key(path: str) -> Ed25519PrivateKey:
    """A key file of `hovedbok keygen`: the private key stands behind the word secret."""
    secret = re.search(r"^secret ([0-9a-f]{64})$", pathlib.Path(path).read_text(), re.MULTILINE)
    if not secret:
        sys.exit(f"{path}: no line \"secret\" with 64 hex digits")
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret[1]))


def submit(node: str, signed: bytes) -> dict:
    """Posts the transaction; a repetition is answered with the first result, so a broken line is no harm."""
    body = json.dumps({"transaction": base64.b64encode(signed).decode()}).encode()
    url = f"{node.rstrip('/')}/v1/transactions?wait=receipt"
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refused:
        problem = json.load(refused)
        sys.exit(f"refused {problem.get('rule') or refused.code}: {problem.get('detail')}")


def judge(codec: Codec, folder: pathlib.Path) -> None:
    """Reads and writes every operation of transactions.json, and signs it with the keys named there."""
    vectors = json.loads((folder / "transactions.json").read_text())
    for vector in vectors:
        chain, transaction = bytes.fromhex(vector["chain"]), bytes.fromhex(vector["transaction"])
        value, end = codec.decode("Transaction", transaction)
        assert end == len(transaction), vector["name"]
        assert codec.encode("Transaction", json.loads(json.dumps(value))) == transaction, vector["name"]
        signed_bytes = message(chain, transaction)
        assert signed_bytes.hex() == vector["signed_bytes"], vector["name"]
        assert hashlib.sha256(signed_bytes).hexdigest() == vector["id"], vector["name"]
        seeds = [bytes.fromhex(one["seed"]) for one in vector["signatures"]]
        keys = [Ed25519PrivateKey.from_private_bytes(seed) for seed in seeds]
        assert sign(codec, chain, transaction, keys).hex() == vector["signed_transaction"], vector["name"]
    print(f"{len(vectors)} transactions are read, written and signed to the same bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("operation", nargs="?", help="file with the operation as JSON")
    parser.add_argument("--node", help="where a node answers")
    parser.add_argument("--genesis", help="the genesis file, which names the chain")
    parser.add_argument("--key", action="append", default=[], help="key file; repeat it where two must sign")
    parser.add_argument("--as", dest="submitter", type=int, help="entity in whose name it is submitted")
    parser.add_argument("--number", help="payment number, 32 hex digits [default: made from the operation]")
    parser.add_argument("--receipt", help="file for the receipt")
    parser.add_argument("--vectors", type=pathlib.Path, help="check this program against the vectors, and end")
    given = parser.parse_args()
    codec = Codec(layout(PAGE.read_text()))
    if given.vectors:
        return judge(codec, given.vectors)
    if not (given.operation and given.node and given.genesis and given.key and given.submitter):
        parser.error("name the operation's file, --node, --genesis, --key and --as")
    operation = json.loads(pathlib.Path(given.operation).read_text())
    # A number that follows from the operation makes a repetition harmless (rule L6).
    number = given.number or hashlib.sha256(codec.encode("Operation", operation)).hexdigest()[:32]
    payment = {"submitter": given.submitter, "number": number}
    transaction = codec.encode("Transaction", {"id": payment, "operation": operation})
    # Section 3: the hash of genesis is what a chain is called.
    chain = hashlib.sha256(b"hovedbok/v1/genesis" + pathlib.Path(given.genesis).read_bytes()).digest()
    signed = sign(codec, chain, transaction, [read_key(path) for path in given.key])
    answer = submit(given.node, signed)
    print(f"{answer['status']}: transaction {hashlib.sha256(message(chain, transaction)).hexdigest()}")
    if given.receipt and answer.get("receipt"):
        pathlib.Path(given.receipt).write_text(answer["receipt"])


if __name__ == "__main__":
    main()
