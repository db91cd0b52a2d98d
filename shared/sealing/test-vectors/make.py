"""Makes the test vectors beside it (Python's `cryptography` and its own hmac)."""

import base64, hmac, struct, uuid
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

here = Path(__file__).parent
parts = [b"members", uuid.UUID(int=1).bytes, b"email"]
place = b"".join(struct.pack(">Q", len(part)) + part for part in parts)
nonce = bytes([9] * 12)
sealed = bytes([1, 7]) + nonce + AESGCM(bytes([0x42] * 32)).encrypt(nonce, b"ann@shop.example", place)
(here / "sealed.txt").write_text(base64.b64encode(sealed).decode() + "\n")

index = hmac.new(bytes(range(32)), struct.pack(">Q", 5) + b"email" + b"ann@shop.example", "sha256")
(here / "blind-index.txt").write_text(index.hexdigest() + "\n")
