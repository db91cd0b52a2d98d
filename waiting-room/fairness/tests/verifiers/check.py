"""Asks docs/verify.py about every log of a folder, in the form that the Rust test compares."""

import importlib.util
import pathlib
import sys

spec = importlib.util.spec_from_file_location("verify", sys.argv[1])
verify = importlib.util.module_from_spec(spec)
spec.loader.exec_module(verify)

for log in sorted(pathlib.Path(sys.argv[2]).glob("*.log")):
    audit = verify.Audit(log.read_bytes())
    problems = ",".join(f"{line}:{code}" for line, code, _ in audit.problems)
    places = []
    for lane in range(3):
        for number in range(30):
            draw, rank = audit.position(lane, number)
            places.append(f"{draw}.{'-' if rank is None else rank}")
    print(log.stem, audit.head.hex(), f"[{problems}]", *places)

for line in pathlib.Path(sys.argv[2], "receipts").read_text().splitlines():
    log, receipt, ticket_id = line.split(" ")
    audit = verify.Audit(pathlib.Path(sys.argv[2], log).read_bytes())
    try:
        fits = audit.includes(verify.read_receipt(receipt), bytes.fromhex(ticket_id))
    except verify.Malformed:
        fits = "malformed"
    print(line, str(fits).lower())

for line in pathlib.Path(sys.argv[3]).read_text().splitlines():
    if not line.startswith("#"):
        seed, size, index, rank = line.split(" ")
        assert verify.permute(bytes.fromhex(seed), int(size), int(index)) == int(rank), line
