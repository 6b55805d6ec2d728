# shellcheck shell=bash disable=SC1091,SC2034
# Settings and helpers of the real servers; sourced by every script here.
#
# A *server* is what up.sh is asked for, a *process* is one pid of it: they have the same name, only
# that the server kafka has the processes kafka1, kafka2 ... Each family of servers has one file with
# the functions FAMILY_{build,configure,start,answers,prepare,address,version,env}.
set -euo pipefail
umask 022 # what root makes, nobody is to read
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$HERE/versions.sh"

# Elasticsearch and OpenSearch refuse to run as root, so root runs them as nobody; and nobody cannot enter
# root's home. Hence root's folders are in /var, everyone else's at home.
if [[ $(id -u) == 0 ]]; then
  default_cache=/var/cache default_run=/var/lib
  as_nobody=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
else
  default_cache=${XDG_CACHE_HOME:-$HOME/.cache} default_run=${XDG_STATE_HOME:-$HOME/.local/state}
  as_nobody=()
fi
# What was built or fetched is kept and shared; data, logs and pids are of one instance.
CACHE=$(realpath -m "${SENTINEL_STACK_CACHE:-$default_cache/sentinel-mesh/stack}")
RUN=$(realpath -m "${SENTINEL_STACK_RUN:-$default_run/sentinel-mesh/stack}")

# Ports, all on loopback. Instances side by side need their own RUN and a base 1000 away.
#   redis           +79
#   influxdb        +86
#   kafka1          +92 PLAINTEXT, +93 controller, +94 SASL_SSL; kafka2 100 above, kafka3 200 above
#   elasticsearch  +200, transport +300
#   opensearch2    +201, transport +301
#   opensearch3    +202, transport +302
PORT=${SENTINEL_STACK_PORT:-19000}

ALL=(kafka influxdb elasticsearch opensearch2 opensearch3 redis)
DEFAULT=(kafka influxdb elasticsearch redis)
failed=0

source "$HERE/../lib.sh"
source "$HERE/kafka/kafka.sh"
source "$HERE/influxdb/influxdb.sh"
source "$HERE/search/search.sh"
source "$HERE/redis/redis.sh"

check_server() { # SERVER: dies unless there is one of this name
  [[ " ${ALL[*]} " == *" $1 "* ]] || die "unknown server $1: write one of ${ALL[*]}"
}

server_of() { # PROCESS
  case $1 in kafka[1-9]) echo kafka ;; *) echo "$1" ;; esac
}

processes() { # SERVER
  case $1 in kafka) printf 'kafka%d\n' $(seq "$(kafka_brokers)") ;; *) echo "$1" ;; esac
}

call() { # VERB SERVER-OR-PROCESS: what its family does for this verb
  local family
  family=$(server_of "$2")
  case $family in elasticsearch | opensearch[23]) family=search ;; esac
  "${family}_$1" "$2"
}

certificates() { # FOLDER: a certificate authority to throw away, and one certificate for all of loopback
  [[ ! -s $1/server.pem ]] || return 0
  mkdir -p "$1"
  local common=(-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650)
  openssl req "${common[@]}" -subj /CN=sentinel-stack-ca -keyout "$1/ca.key" -out "$1/ca.pem" 2>/dev/null
  openssl req "${common[@]}" -subj /CN=localhost -CA "$1/ca.pem" -CAkey "$1/ca.key" \
    -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE \
    -keyout "$1/server.key" -out "$1/server.pem" 2>/dev/null
}

maven() ( # GOAL ARGUMENT...: of the plugin that fetches dependencies
  goal=$1; shift
  cd "$(mktemp -d)" # where it notes what it has unpacked
  mvn -B -q -ntp -Dstyle.color=never "$@" \
    "org.apache.maven.plugins:maven-dependency-plugin:$MAVEN_DEPENDENCY_PLUGIN_VERSION:$goal" </dev/null >&2
  rm -rf "$PWD"
)

started() { # PROCESS: did up.sh start it, and nobody take it down since? It may have died.
  [[ -s $RUN/pids/$1 ]]
}

check_free() { # PORT...: a foreign server there would answer in the place of ours
  local port
  # One that was killed may hold its port for a moment, until its last thread has ended.
  for port; do wait_for 5 "127.0.0.1:$port to be free: something else listens there" is_free "$port"; done
}

is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; } # PORT

await() { # PROCESS SECONDS: until it answers; fails at once when it has ended
  local began=$SECONDS
  until call answers "$1" >/dev/null 2>&1; do
    alive "$1" || { tail -20 "$RUN/logs/$1.log" >&2; die "$1 ended; its log is $RUN/logs/$1.log"; }
    ((SECONDS - began < $2)) || die "$1 does not answer after $2 s; its log is $RUN/logs/$1.log"
    sleep 0.1
  done
}

in_parallel() { # FUNCTION ARGUMENT...: for each argument at once; sets `failed` if one fails
  local function=$1 argument job jobs=(); shift
  for argument; do "$function" "$argument" & jobs+=($!); done
  # Not `in_parallel ... || ...`: that would take `set -e` away from the functions.
  for job in "${jobs[@]}"; do wait "$job" || failed=1; done
}

write_env() { # $RUN/env: where the servers are that are up, for tests to source
  local server
  {
    echo "export SENTINEL_STACK_RUN=$RUN" # for server.sh to find this instance
    echo "export SENTINEL_STACK_PORT=$PORT"
    echo "export SENTINEL_STACK_PIDS=$RUN/pids"
    for server in "${ALL[@]}"; do
      ! started "$(processes "$server" | head -1)" || call env "$server"
    done
  } >"$RUN/env.new"
  mv "$RUN/env.new" "$RUN/env"
}
