#!/usr/bin/env bash
# System packages, on Debian and Ubuntu: checks first, installs what is missing. `install-debian.sh` brings what reports
# need, `install-debian.sh browser` the browser of the tests too.
set -euo pipefail

missing=()
if [ "${1:-}" = browser ]; then
  command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null \
    || test -n "${TUNELOOP_CHROMIUM:-}" || missing+=(chromium)
fi
# Latin, Greek and Cyrillic; Chinese, Japanese and Korean; most other scripts; emoji.
for font in DejaVuSans.ttf:fonts-dejavu-core NotoSansCJK-Regular.ttc:fonts-noto-cjk \
  NotoSansDevanagari-Regular.ttf:fonts-noto-core NotoColorEmoji.ttf:fonts-noto-color-emoji; do
  test -n "$(find /usr/share/fonts -name "${font%%:*}" 2>/dev/null | head -1)" || missing+=("${font#*:}")
done
libraries=$(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p 2>/dev/null || true)
grep -q libpango-1.0.so.0 <<<"$libraries" || missing+=(libpango-1.0-0)
grep -q libpangoft2-1.0.so.0 <<<"$libraries" || missing+=(libpangoft2-1.0-0)
grep -q libharfbuzz-subset.so.0 <<<"$libraries" || missing+=(libharfbuzz-subset0)
[ ${#missing[@]} -eq 0 ] && exit 0

command -v apt-get >/dev/null || { echo "Please install: ${missing[*]} (no apt-get here)"; exit 0; }
root=()
if [ "$(id -u)" != 0 ]; then
  sudo -n true 2>/dev/null || { echo "Please run: sudo apt-get install ${missing[*]}"; exit 0; }
  root=(sudo -n)
fi
echo "installing ${missing[*]} …"
export DEBIAN_FRONTEND=noninteractive
"${root[@]}" apt-get update -qq
"${root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
