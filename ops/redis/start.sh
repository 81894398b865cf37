#!/bin/sh
# Starts Redis with the password in REDIS_PASSWORD, which `ps` does not show: it goes in by stdin. More arguments are Redis's own.
set -eu
: "${REDIS_PASSWORD:?a password, for instance from openssl rand -hex 32}"
case $REDIS_PASSWORD in
  *[!A-Za-z0-9_.~-]*) echo 'REDIS_PASSWORD goes into a URL: letters, digits and _.~- only' >&2; exit 1 ;;
esac
# The here-document leaves Redis the process that signals reach.
exec redis-server "$(dirname "$0")/redis.conf" "$@" - <<END
requirepass $REDIS_PASSWORD
END
