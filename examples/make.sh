#!/usr/bin/env bash
# Makes the two example files of the README: three weeks of four hosts, and the day after.
set -euo pipefail
cd "$(dirname "$0")"
deepwatch() { node ../dist/src/cli.js "$@"; }
deepwatch generate --hosts 4 --days 21 --interval 10m --start 2026-11-01T00:00:00Z --out fleet.parquet
deepwatch generate --hosts 4 --days 1 --interval 10m --start 2026-11-22T00:00:00Z --incident-rate 0.08 --out fleet-today.parquet
