#!/usr/bin/env bash
# Installs the programs that some tests need besides Python's packages, on Debian and its kin.
#   chromium    the tests that look at the MLflow UI and at report.html
#   ffmpeg      videos that browsers play
#   postgresql  the tests of the tracking server
set -euo pipefail
missing=()
command -v chromium >/dev/null || missing+=(chromium)
command -v ffmpeg >/dev/null || missing+=(ffmpeg)
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing+=(postgresql)
if [ ${#missing[@]} -eq 0 ]; then echo "nothing is missing"; exit 0; fi
command -v apt-get >/dev/null || { echo "error: no apt-get here; install by hand: ${missing[*]}" >&2; exit 2; }
as_root=(); if [ "$(id -u)" -ne 0 ]; then as_root=(sudo -n); fi
"${as_root[@]}" apt-get update -q
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
