#!/usr/bin/env bash
# Captures ../first.ndjson, ../again.ndjson and ../snapshot.ndjson anew, as ../README.md says.
#
#     capture.sh <folder with Debezium's jars> <free port>
#
# As root, with PostgreSQL 15 and a JDK of Debian's packages.
set -euo pipefail
jars=$(realpath "$1") port=$2
here=$(dirname "$(realpath "$0")")
pg=/usr/lib/postgresql/15/bin
work=$(mktemp -d)
cd "$work"
chown postgres .

as_postgres() { su postgres -c "$*"; }
sql() { psql -q -h "$work" -p "$port" -U postgres -d app "$@"; }

as_postgres "$pg/initdb -D data -A trust" > /dev/null
as_postgres "$pg/pg_ctl -D data -w -l log start -o '-p $port -k $work -c wal_level=logical -c timezone=UTC'" > /dev/null
trap 'as_postgres "$pg/pg_ctl -D $work/data -m immediate stop" > /dev/null; rm -rf "$work"' EXIT
psql -q -h "$work" -p "$port" -U postgres -c "CREATE DATABASE app"
sql -f "$here/setup.sql"

classpath=$work:$(printf '%s:' "$jars"/*.jar)
javac -cp "$classpath" -d . "$here/Capture.java"

# A connector with the offsets and the slot of this name, and further properties; until this text.
capture() {
  local name=$1 until=$2 out=$3
  shift 3
  cat > "$name.properties" << END
name=capture
connector.class=io.debezium.connector.postgresql.PostgresConnector
offset.storage=org.apache.kafka.connect.storage.FileOffsetBackingStore
offset.storage.file.filename=$work/$name.offsets
offset.flush.interval.ms=0
database.hostname=127.0.0.1
database.port=$port
database.user=postgres
database.dbname=app
topic.prefix=store
plugin.name=pgoutput
slot.name=$name
publication.autocreate.mode=all_tables
signal.data.collection=public.signals
provide.transaction.metadata=true
heartbeat.interval.ms=60000
skipped.operations=none
$(printf '%s\n' "$@")
END
  java -cp "$classpath" Capture "$name.properties" "$out" "$until" 2> "$name.err"
}

bare=(key.converter.schemas.enable=false value.converter.schemas.enable=false)

# The tables as they are, and then all changes.
sql -tA -c "SELECT pg_create_logical_replication_slot('again', 'pgoutput')" > /dev/null
capture first 'no such text' first.ndjson "${bare[@]}" &
connector=$!
until grep -qs '"snapshot":"last"' first.ndjson && [[ -s first.offsets ]] &&
  sql -tA -c "SELECT active FROM pg_replication_slots WHERE slot_name = 'first'" | grep -q t; do
  sleep 0.2
done
cp first.offsets again.offsets
sql -f "$here/changes.sql" > /dev/null
until grep -q '"snapshot-window-close"' first.ndjson; do sleep 0.2; done
sql -c "INSERT INTO models VALUES (6, 9, 'LORA', 0, '2026-11-23 00:00:00')"
until grep -q '"after":{"id":6,"user_id"' first.ndjson; do sleep 0.2; done
kill $connector
wait $connector || true

# From the offsets before the changes, as a connector does that was killed: the same changes once
# more, of two tables, with their schemas.
capture again '"after":{"id":6,"user_id"' again.ndjson \
  table.include.list=public.models,public.follows

# Somebody sets the connector up anew: another snapshot, with numbers for decimals.
capture snapshot '"snapshot":"last"' snapshot.ndjson "${bare[@]}" \
  snapshot.mode=initial_only decimal.handling.mode=double

mv first.ndjson again.ndjson snapshot.ndjson "$here/.."
