#!/usr/bin/env python3
"""Checks the public log of a waiting room's draw. Needs Python 3.9 or newer and nothing else.

    python3 verify.py drop.log
    python3 verify.py drop.log --lane 0 --number 17
    python3 verify.py drop.log --receipt '0.0.7.3.…' --ticket-id 00112233445566778899aabb
    python3 verify.py drop.log --head 4f0c…

The log is at /.waiting-room/<room>/log of the site. This program was written from the description in FAIRNESS.md, not
from the edge's source: two programs that agree are a better proof than one. It does not check the beacon's signature
(that takes pairings on BLS12-381), only that its hash went into the seed; `waiting-room verify` checks it.

Exit codes: 0 nothing is wrong, 1 something is, 64 bad use.
"""

import argparse
import base64
import binascii
import hashlib
import math
import re
import sys
from collections import defaultdict

QUICKNET = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"
QUICKNET_GENESIS_MS, QUICKNET_PERIOD_MS = 1_692_803_367_000, 3_000
GROUP_MAX = 8192
U64 = (1 << 64) - 1


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


# --- the permutation: SipHash-2-4, then a Feistel network over pairs of numbers below ceil(sqrt(size))


def siphash(key, message):
    k0, k1 = (int.from_bytes(half, "little") for half in (key[:8], key[8:]))
    v0, v1 = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D
    v2, v3 = k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573

    def rounds(times, v0, v1, v2, v3):
        for _ in range(times):
            v0 = (v0 + v1) & U64
            v1 = ((v1 << 13 | v1 >> 51) & U64) ^ v0
            v0 = (v0 << 32 | v0 >> 32) & U64
            v2 = (v2 + v3) & U64
            v3 = ((v3 << 16 | v3 >> 48) & U64) ^ v2
            v0 = (v0 + v3) & U64
            v3 = ((v3 << 21 | v3 >> 43) & U64) ^ v0
            v2 = (v2 + v1) & U64
            v1 = ((v1 << 17 | v1 >> 47) & U64) ^ v2
            v2 = (v2 << 32 | v2 >> 32) & U64
        return v0, v1, v2, v3

    padded = message + bytes((7 - len(message)) % 8) + bytes([len(message) & 0xFF])
    for start in range(0, len(padded), 8):
        word = int.from_bytes(padded[start : start + 8], "little")
        v0, v1, v2, v3 = rounds(2, v0, v1, v2, v3 ^ word)
        v0 ^= word
    v0, v1, v2, v3 = rounds(4, v0, v1, v2 ^ 0xFF, v3)
    return v0 ^ v1 ^ v2 ^ v3


def permute(seed, size, index):
    """The rank from 0 that `index` is drawn to, among `size`."""
    if size < 2 or not 0 <= index < size:
        return index
    key = sha256(b"waiting-room/shuffle/1", seed)[:16]
    side = math.isqrt(size - 1) + 1
    while True:
        left, right = index % side, index // side
        for number in range(10):
            value = siphash(key, bytes([number]) + right.to_bytes(8, "little"))
            left, right = right, (left + value) % side
        index = side * right + left
        if index < size:
            return index


# --- the hash tree of a group of joins (RFC 9162, section 2.1.3.2)


def is_included(root, leaf, index, count, path):
    if not 0 <= index < count:
        return False
    last, node = count - 1, sha256(b"\x00", leaf)
    for sibling in path:
        if last == 0:
            return False
        if index & 1 or index == last:
            node = sha256(b"\x01", sibling, node)
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            node = sha256(b"\x01", node, sibling)
        index, last = index >> 1, last >> 1
    return last == 0 and node == root


# --- the lines

NUMBER = r"(0|[1-9][0-9]{0,19})"
HASH = r"([0-9a-f]{64})"
RANGE = r"(?:0|[1-9][0-9]{0,19})"
TEXT = r"([!-~](?:[ -~]{0,398}[!-~])?)"
LINES = {
    "commit": rf"commit {NUMBER} {NUMBER} {HASH} (?:none|drand:{HASH}:{NUMBER})",
    "join": rf"join {NUMBER} {NUMBER} {NUMBER} {NUMBER} {HASH}",
    "freeze": rf"freeze {NUMBER} {NUMBER} ({RANGE}:{RANGE}:{RANGE}(?:,{RANGE}:{RANGE}:{RANGE})*)",
    "reveal": rf"reveal {NUMBER} {NUMBER} {HASH} (none|missing|(?:[0-9a-f]{{2}}){{1,96}})",
    "call": rf"call {NUMBER} {NUMBER} {NUMBER} {NUMBER} {NUMBER}",
    "operator": rf"operator {NUMBER} ([a-z0-9_-]{{1,32}}) {TEXT}",
    "edge": rf"edge {NUMBER} {TEXT}",
}
LINES = {kind: re.compile(pattern, re.ASCII) for kind, pattern in LINES.items()}


class Malformed(Exception):
    pass


def number(text, bits=64):
    value = int(text)
    if value >> bits:
        raise Malformed("a number is too large")
    return value


def read(line):
    """The kind and the fields of a line; raises Malformed."""
    kind = line.split(" ", 1)[0]
    if kind not in LINES:
        raise Malformed("no such kind of line")
    match = LINES[kind].fullmatch(line)
    if not match:
        raise Malformed("a field is missing or malformed")
    at, *fields = match.groups()
    number(at)
    if kind in ("operator", "edge"):
        return kind, at, fields
    if kind == "commit":
        draw, commitment, chain, beacon_round = fields
        beacon = (chain, number(beacon_round)) if chain else None
        return kind, number(at), [number(draw, 32), bytes.fromhex(commitment), beacon]
    if kind == "join":
        lane, first, count, root = fields
        return kind, number(at), [number(lane, 8), number(first), number(count, 32), bytes.fromhex(root)]
    if kind == "freeze":
        draw, ranges = fields
        ranges = [tuple(map(number, text.split(":"), (8, 64, 64))) for text in ranges.split(",")]
        if any(begin > end for _, begin, end in ranges):
            raise Malformed("a range ends before it begins")
        return kind, number(at), [number(draw, 32), ranges]
    if kind == "reveal":
        draw, secret, beacon = fields
        return kind, number(at), [number(draw, 32), bytes.fromhex(secret), beacon]
    lane, *counts = fields
    return kind, number(at), [number(lane, 8), *map(number, counts)]


# --- the audit


class Lane:
    def __init__(self):
        self.joined = self.frozen = self.called = self.claimed = self.missed = 0
        self.drawn, self.drawn_below, self.passed_over = 0, 0, 0


class Draw:
    def __init__(self, commitment, beacon, joined):
        self.commitment, self.beacon, self.joined = commitment, beacon, joined
        self.ranges = self.head = self.seeds = self.fits = None


class Audit:
    def __init__(self, data):
        self.lanes, self.draws, self.groups = defaultdict(Lane), [], {}
        self.operator_actions, self.problems, self.heads = 0, [], {}
        title, *lines = (data[:-1] if data.endswith(b"\n") else data).split(b"\n")
        self.line = 1
        match = re.fullmatch(rb"waiting-room/log/1 ([!-~]+) (0|[1-9][0-9]{0,9})", title)
        if not match or int(match[2]) >> 32:
            self.problem("title", "this is not the title of a log")
        self.room, self.epoch = (match[1].decode(), int(match[2])) if match else ("", 0)
        self.head = sha256(title)
        self.heads[self.head] = 1
        for self.line, line in enumerate(lines, 2):
            self.head = sha256(self.head, line)
            self.heads[self.head] = self.line
            try:
                kind, at, fields = read(line.decode("ascii", "surrogateescape"))
            except Malformed as error:
                self.problem("malformed", str(error))
            else:
                getattr(self, kind)(at, *fields)

    def problem(self, code, what):
        self.problems.append((self.line, code, what))

    def check(self, well, code, what):
        if not well:
            self.problem(code, what)

    def commit(self, _at, draw, commitment, beacon):
        due = len(self.draws)
        if draw != due:
            return self.problem("commit-order", f"draw {draw} is committed to where draw {due} is due")
        joined = {lane: known.joined for lane, known in self.lanes.items()}
        self.draws.append(Draw(commitment, beacon, joined))

    def join(self, _at, lane, first, count, root):
        if not 1 <= count <= GROUP_MAX or first + count > U64:
            return self.problem("join-count", f"{count} cannot have joined at once")
        known = self.lanes[lane]
        self.check(first <= known.joined, "join-gap", f"numbers of lane {lane} are missing before {first}")
        self.check(first >= known.joined, "join-twice", f"the number {first} of lane {lane} is dealt again")
        known.joined = max(known.joined, first + count)
        self.groups.setdefault((lane, first, count), root)

    def freeze(self, at, draw, ranges):
        due = next((index for index, known in enumerate(self.draws) if known.ranges is None), None)
        if draw != due:
            return self.problem("freeze-order", f"draw {draw} is not the one to be frozen")
        known = self.draws[draw]
        if draw == 0:
            named = {lane for lane, _, _ in ranges}
            for lane in sorted(lane for lane, known_lane in self.lanes.items() if known_lane.joined):
                self.check(lane in named, "freeze-lane", f"lane {lane} is left out of the first draw")
        for lane, begin, end in ranges:
            state = self.lanes[lane]
            first = max(state.frozen, min(state.called, state.joined))
            fits = end == state.joined and (begin == first or self.has_rounds() and begin > first)
            wanted = f"{first} to {state.joined}"
            self.check(fits, "freeze-range", f"lane {lane} is drawn from {begin} to {end}, but joined {wanted}")
            if begin > first:
                state.passed_over = begin
            late = begin < end and known.joined.get(lane, 0) > begin
            self.check(not late, "commit-late", f"lane {lane} had been joined before the commit of draw {draw}")
            state.frozen = max(state.frozen, end)
        if known.beacon:
            self.check_round(*known.beacon, at)
        known.ranges, known.head = ranges, self.head

    def check_round(self, chain, beacon_round, frozen_at):
        if chain != QUICKNET:
            return self.problem("beacon-unknown", "the beacon's network is not known")
        public_at = QUICKNET_GENESIS_MS + max(beacon_round - 1, 0) * QUICKNET_PERIOD_MS
        early = f"round {beacon_round} of the beacon was public when the joins were frozen"
        self.check(public_at > frozen_at, "beacon-early", early)

    def reveal(self, _at, draw, secret, beacon):
        known = self.draws[draw] if draw < len(self.draws) else None
        if known is None or known.ranges is None or known.seeds is not None:
            return self.problem("reveal-order", f"draw {draw} is not the one to be revealed")
        known.fits = hashlib.sha256(secret).digest() == known.commitment
        self.check(known.fits, "secret", f"the secret of draw {draw} is not the one that was committed to")
        if known.beacon and beacon == "missing":
            self.problem("beacon-missing", "the beacon was left out")
        elif (known.beacon is None) != (beacon == "none"):
            self.problem("beacon-changed", "the beacon is not as committed")
        signed = beacon not in ("none", "missing")
        randomness = hashlib.sha256(bytes.fromhex(beacon)).digest() if signed else b""
        known.seeds = []
        for lane, begin, end in known.ranges:
            place = bytes([lane]) + begin.to_bytes(8, "big") + end.to_bytes(8, "big")
            seed = sha256(b"waiting-room/seed/1", secret, known.head, place, randomness)
            known.seeds.append((lane, begin, end, seed))
            self.lanes[lane].drawn += end - begin
            self.lanes[lane].drawn_below = max(self.lanes[lane].drawn_below, end)

    def call(self, _at, lane, called, claimed, missed):
        state = self.lanes[lane]
        grows = called >= state.called and claimed >= state.claimed and missed >= state.missed
        self.check(grows, "call-back", f"the calls of lane {lane} went back")
        state.called, state.claimed, state.missed = called, claimed, missed
        fits = claimed <= called and missed <= called
        self.check(fits, "call-count", f"{claimed} came and {missed} did not, of {called} called")
        callable_ = self.callable(lane)
        early = f"{called} of lane {lane} were called when {callable_} could be"
        self.check(called <= callable_, "call-early", early)
        passed_over, state.passed_over = state.passed_over, 0
        left = f"the draw passed over numbers below {passed_over} of lane {lane} as called, and they were not"
        self.check(called >= passed_over, "passed-over", left)

    def callable(self, lane):
        """While a draw is to come, nobody is called whose rank it decides."""
        for draw in self.draws:
            if draw.ranges is not None and draw.seeds is None:
                for begin in [begin for drawn, begin, end in draw.ranges if drawn == lane and begin < end][:1]:
                    return begin
                break
        return self.lanes[lane].drawn_below if self.is_waiting() and not self.has_rounds() else U64

    def operator(self, _at, _actor, _text):
        self.operator_actions += 1

    def edge(self, _at, _text):
        pass

    def is_waiting(self):
        return any(draw.seeds is None for draw in self.draws)

    def has_rounds(self):
        """A room that draws in rounds commits to one draw more than it is about to do; whoever comes when nobody
        waits walks in without a draw."""
        return len(self.draws) > 1

    def position(self, lane, wanted):
        """The draw (or "later", "never", "unknown") and the rank of a number."""
        if lane not in self.lanes or not 0 <= wanted < self.lanes[lane].joined:
            return "unknown", None
        for index, draw in enumerate(self.draws):
            for drawn_lane, begin, end, seed in draw.seeds or ():
                if drawn_lane == lane and begin <= wanted < end:
                    return index, begin + permute(seed, end - begin, wanted - begin)
        pending = [draw.ranges for draw in self.draws if draw.ranges and draw.seeds is None]
        frozen = any(at == lane and begin <= wanted < end for ranges in pending for at, begin, end in ranges)
        to_come = self.is_waiting() and wanted >= max(self.lanes[lane].frozen, self.lanes[lane].called)
        return ("later", None) if frozen or to_come else ("never", wanted)

    def includes(self, receipt, ticket_id):
        lane, first, count, index, path = receipt
        root = self.groups.get((lane, first, count))
        return root is not None and is_included(root, ticket_id, index, count, path)


def read_receipt(text):
    match = re.fullmatch(rf"{NUMBER}\.{NUMBER}\.{NUMBER}\.{NUMBER}\.([A-Za-z0-9_-]*)", text, re.ASCII)
    if not match:
        raise Malformed("the receipt is malformed")
    lane, first, count, index = map(number, match.groups()[:4], (8, 64, 32, 32))
    try:
        path = base64.urlsafe_b64decode(match[5] + "=" * (-len(match[5]) % 4))
    except binascii.Error as error:
        raise Malformed("the receipt is malformed") from error
    respelled = base64.urlsafe_b64encode(path).decode().rstrip("=")
    if respelled != match[5] or len(path) % 32 or not index < count <= GROUP_MAX:
        raise Malformed("the receipt is malformed")
    return lane, first, count, index, [path[at : at + 32] for at in range(0, len(path), 32)]


# --- the report


def say_draw(audit, index):
    draw = audit.draws[index]
    if draw.seeds is None:
        return f"draw {index}: " + ("frozen, not revealed yet" if draw.ranges else "committed to, not frozen yet")
    places = " and ".join(f"{end - begin} of lane {lane}" for lane, begin, end, _ in draw.seeds)
    fits = "fits its commitment" if draw.fits else "does NOT fit its commitment"
    text = f"draw {index}: {places}; the secret {fits}"
    if draw.beacon:
        text += f"; beacon round {draw.beacon[1]}, whose signature this program does NOT check"
    return text


def say_position(audit, lane, wanted):
    draw, rank = audit.position(lane, wanted)
    name = f"number {wanted} of lane {lane}"
    if draw == "unknown":
        return f"{name} is not in the log"
    if draw == "later":
        return f"{name} is still to be drawn"
    called = "called" if rank < audit.lanes[lane].called else "not called yet"
    if draw == "never":
        return f"{name} is in no draw and keeps place {rank + 1}, {called}"
    return f"{name} was drawn to place {rank + 1}, {called} (draw {draw})"


def report(audit):
    joined = sum(lane.joined for lane in audit.lanes.values())
    yield f"room {audit.room}, line {audit.epoch}: {joined} joined, {audit.operator_actions} operator action(s)"
    yield f"head {audit.head.hex()}"
    for index in range(len(audit.draws)):
        yield say_draw(audit, index)
    for lane, known in sorted(audit.lanes.items()):
        yield f"lane {lane}: {known.joined} joined, {known.drawn} drawn, {known.called} called"


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.print_usage(sys.stderr)
        print(f"verify.py: {message}", file=sys.stderr)
        sys.exit(64)


def arguments():
    parser = Parser(description="Checks the public log of a waiting room's draw.")
    parser.add_argument("log", help="the log's file, or - for standard input")
    parser.add_argument("--lane", type=int, default=0, help="with --number: the lane, if not 0")
    parser.add_argument("--number", type=int, help="whose place to compute")
    parser.add_argument("--receipt", help="with --ticket-id: the receipt to check")
    parser.add_argument("--ticket-id", help="24 hexadecimal digits")
    parser.add_argument("--head", action="append", default=[], help="a head that was noted earlier; may be repeated")
    options = parser.parse_args()
    try:
        options.head = [bytes.fromhex(head) for head in options.head]
        options.ticket_id = bytes.fromhex(options.ticket_id or "")
        options.receipt = read_receipt(options.receipt) if options.receipt else None
        if bool(options.receipt) != (len(options.ticket_id) == 12):
            raise Malformed("--receipt and --ticket-id (12 bytes) go together")
        with sys.stdin.buffer if options.log == "-" else open(options.log, "rb") as file:
            options.log = file.read()
    except (Malformed, ValueError, OSError) as error:
        parser.error(str(error))
    return options


def main():
    options = arguments()
    audit = Audit(options.log)
    wrong = [f"line {line}: {what} ({code})" for line, code, what in audit.problems]
    print("\n".join(report(audit)))
    if options.receipt:
        lane, first, _, index, _ = options.receipt
        options.lane, options.number = lane, first + index
        if audit.includes(options.receipt, options.ticket_id):
            print("the log has this ticket: the receipt fits")
        else:
            wrong.append("the log does not have this ticket at this number: the receipt does not fit (receipt)")
    for head in options.head:
        if head in audit.heads:
            print(f"the noted head is the one after line {audit.heads[head]}")
        else:
            wrong.append(f"the log was rewritten: it never had the head {head.hex()} (head)")
    if options.number is not None:
        print(say_position(audit, options.lane, options.number))
        if audit.position(options.lane, options.number)[0] == "unknown":
            wrong.append("this number is not in the log (number)")
    print("\n".join(wrong) if wrong else "nothing is wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
