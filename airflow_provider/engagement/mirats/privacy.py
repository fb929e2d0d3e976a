"""What becomes of IP addresses when sessions leave the platform; pure.

An IP address is personal data. `drop` leaves it out; `hash` puts a keyed hash in its place (HMAC-SHA256 with a salt from the
connection): the same address gives the same text, so that people can be counted, but without the salt it cannot be found by
trying all addresses, of which there are few; `keep` leaves it as it is.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping
from typing import Any, Literal, get_args

IpHandling = Literal["drop", "hash", "keep"]
LEAST_SALT = 16
"""Characters. A shorter salt could be found together with the addresses."""


def check_handling(value: str) -> IpHandling:
    """Check what is to become of the addresses.

    Raises:
        ValueError: neither `drop` nor `hash` nor `keep`.
    """
    for known in get_args(IpHandling):
        if value == known:
            return known  # type: ignore[no-any-return]
    raise ValueError(f"ip must be drop, hash or keep, got {value!r}")


def protect(session: Mapping[str, Any], ip: IpHandling, salt: str | None) -> dict[str, Any]:
    """Give a session with its address dropped, hashed or kept.

    Args:
        session: as it came.
        ip: what becomes of the address.
        salt: needed for `hash`.

    Raises:
        ValueError: `hash` without a salt.
    """
    if ip == "keep":
        return dict(session)
    kept = {key: value for key, value in session.items() if key.lower() != "ip" or (ip == "hash" and value is None)}
    if ip == "drop":
        return kept
    if not salt:
        raise ValueError("hashing needs a salt")
    return {key: kept[key] if key in kept else hash_ip(str(value), salt) for key, value in session.items()}


def hash_ip(text: str, salt: str) -> str:
    """Hash an address, however it is written: `::1` and `0:0:0:0:0:0:0:1` are the same, and so are `1.2.3.4` and `::ffff:1.2.3.4`."""
    return hmac.new(salt.encode(), _canonical(text).encode(), hashlib.sha256).hexdigest()


def _canonical(text: str) -> str:
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return text.strip()
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
