#!/usr/bin/env bash
# A soak: a center and a fleet of simulated boards for half an hour, a play every minute, memory every ten seconds.
#
#   benches/soak.sh [SPEAKERS] [SECONDS] [PLOT.svg]        (5000, 1800, none)
#
# The plays end 90 s before the fleet does. Prints the center's memory over time, and whether every record that was made was acknowledged
# and lies in the store. Wants target/release/loaxa.
set -euo pipefail
speakers=${1:-5000} seconds=${2:-1800}
repository=$(cd "$(dirname "$0")/.." && pwd)
program=$repository/target/release/loaxa
dir=$(mktemp -d)
center=
trap '[ -z "$center" ] || kill "$center" 2>/dev/null; wait 2>/dev/null; rm -rf "$dir"' EXIT
export LOAXA_DATA=$dir/data LOAXA_AUTHORITY_PASSPHRASE='a soak, and nothing else' LOAXA_PASSPHRASE='a soak, and nothing else'
export LOAXA_LOG__LEVEL=warn
ulimit -n "$(ulimit -Hn)"

"$program" init --site soak --title Soak --area 66 --area-title Soak >/dev/null
"$program" area hours 66 --allow 00:00-24:00 >/dev/null
"$program" approver add soak --area 66 --highest priority --key-out "$dir/key" >/dev/null
"$program" serve --json --http 127.0.0.1:0 --mqtt 127.0.0.1:0 >"$dir/running" 2>"$dir/log" &
center=$!
until [ -s "$dir/running" ]; do kill -0 $center; sleep 0.1; done
"$program" bulletin add "$repository/playlists/audio/nhac-hieu.wav" --id tune --title tune --language vie --area 66 >/dev/null 2>&1
"$program" bulletin submit tune >/dev/null
"$program" bulletin approve tune --key "$dir/key" --highest normal >/dev/null 2>&1
hour=$(date -u +%-H) today=$(date -u +%F)
cat >"$dir/soak.toml" <<TOML
[programme.tune]
items = ["tune"]
[schedule.minute]
title = "every minute"
cron = "0 * $hour-$(((hour + 2) % 24)) * * *"
time_zone = "UTC"
until = "$today"
targets = ["66"]
programme = "tune"
TOML
"$program" schedule import "$dir/soak.toml" >/dev/null

echo "time s   center MB"
(
  begun=$SECONDS
  while kill -0 $center 2>/dev/null; do
    echo "$((SECONDS - begun)) $(awk '/VmRSS/ { printf "%.0f", $2 / 1024 }' /proc/$center/status)"
    sleep 10
  done
) >"$dir/memory" &
sampler=$!
(sleep $((seconds - 90)) && "$program" schedule remove minute >/dev/null) &
token=$("$program" token)
http=$(sed 's/.*"http":"\([^"]*\)".*/\1/' "$dir/running")
"$program" simulate --center "$http" --token "$token" --ca "$LOAXA_DATA/tls/ca.pem" --area 66 --speakers "$speakers" \
  --yes --for "$seconds" --json ${3:+--plot "$3"} >"$dir/report" 2>"$dir/simulate.log" || { tail -5 "$dir/simulate.log"; tail -5 "$dir/log"; }
kill $sampler 2>/dev/null || true
awk 'NR % 12 == 1' "$dir/memory"
echo "warnings of the center: $(grep -c WARN "$dir/log" || true)"
cut -d' ' -f2- "$dir/log" | sort | uniq -c | sort -rn | head -5
kill $center && wait $center || true
center=
cat "$dir/report"
echo "records in the store: $(python3 -c "import sqlite3; print(sqlite3.connect('$LOAXA_DATA/center.db').execute('select count(*) from records').fetchone()[0])")"
