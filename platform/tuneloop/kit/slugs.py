"""Short names for addresses and commands, made of names that people write."""

import re
import unicodedata

LONGEST = 40


def slug_of(name: str, *, otherwise: str) -> str:
    """Lower-case letters, digits and hyphens: `otherwise` where the name has none of these, as in Chinese."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:LONGEST].strip("-") or otherwise
