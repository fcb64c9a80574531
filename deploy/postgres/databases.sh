#!/bin/sh
# Runs once, when the database cluster is new: one role and one database per service, closed to the other services.
# A password given here later changes nothing; change it with ALTER ROLE, then tell the service.
set -eu

case "${LIANMENG_PROFILE:-production}:${POSTGRES_PASSWORD:-demo}" in
  demo:*) ;;
  *demo*) echo "DATABASE_PASSWORD is the demo's; profile $LIANMENG_PROFILE refuses it" >&2; exit 1 ;;
esac

for service in membership meetings finance notifications console; do
  password=$(printenv "PASSWORD_OF_$(echo "$service" | tr '[:lower:]' '[:upper:]')")
  psql -q -v ON_ERROR_STOP=1 -v role="$service" -v password="$password" \
       --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
CREATE ROLE :"role" LOGIN PASSWORD :'password' NOSUPERUSER NOCREATEDB NOCREATEROLE;
CREATE DATABASE :"role" OWNER :"role";
REVOKE ALL ON DATABASE :"role" FROM PUBLIC;
SQL
done
