# shellcheck shell=bash
# Redis, as Debian has it.

redis_version() { "$CACHE/redis/redis-server" --version | sed -E 's/.* v=([0-9.]+).*/\1/'; }
redis_address() { echo "redis://127.0.0.1:$((PORT + 79))"; }
redis_env() {
  echo "export SENTINEL_STACK_REDIS=$(redis_address)"
  echo "export SENTINEL_STACK_REDIS_SERVER=$CACHE/redis/redis-server" # for tests that kill one of their own
}

redis_build() {
  [[ ! -x $CACHE/redis/redis-server ]] || return 0
  # The package redis-server starts a service on 6379 as soon as it is installed. Its program is only another
  # name of redis-check-rdb in redis-tools, which does what its name says: so we give it that name.
  local binary
  binary=$(command -v redis-server || command -v redis-check-rdb) || die "Redis is missing: scripts/setup.sh stack"
  mkdir -p "$CACHE/redis"
  ln -sf "$(readlink -f "$binary")" "$CACHE/redis/redis-server"
}

redis_configure() { mkdir -p "$RUN/redis"; }

redis_start() {
  check_free $((PORT + 79))
  start redis "$CACHE/redis/redis-server" --bind 127.0.0.1 --port $((PORT + 79)) --dir "$RUN/redis" \
    --appendonly yes --save '' # what a second after it was written survives a kill
}

redis_answers() { [[ $(timeout 2 redis-cli -p $((PORT + 79)) ping) == PONG ]]; }
redis_prepare() { :; }
