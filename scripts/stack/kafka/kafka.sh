# shellcheck shell=bash disable=SC2153
# Apache Kafka in KRaft mode, from its published jars; each node is broker and controller.

KAFKA_LIB=$CACHE/kafka-$KAFKA_VERSION
KAFKA_HEAP=${SENTINEL_STACK_KAFKA_HEAP:-256m}
KAFKA_JAVA=(java -XX:+UseSerialGC "-Dlog4j2.configurationFile=$HERE/kafka/log4j2.properties" -cp "$KAFKA_LIB/*")
KAFKA_CLUSTER_ID=c2VudGluZWwtbWVzaC0wMQ # sixteen bytes in base64url; fixed, so that a restart finds its data
KAFKA_USER=sentinel
KAFKA_PASSWORD=sentinel-secret # Debian's kcat cannot use it: librdkafka before 2.6.1 fails at SCRAM with Kafka 4

kafka_version() { echo "$KAFKA_VERSION"; }

kafka_brokers() { # how many: as asked for, or as the data here has it, or one
  if [[ -n ${BROKERS:-} ]]; then echo "$BROKERS"; else cat "$RUN/kafka/brokers" 2>/dev/null || echo 1; fi
}

kafka_check_brokers() { # the data knows how many copies it has: another number needs new data
  [[ $(kafka_brokers) =~ ^[1-9]$ ]] || die "--brokers $(kafka_brokers): write a number from 1 to 9"
  [[ ! -e $RUN/kafka/brokers || $(<"$RUN/kafka/brokers") == "$(kafka_brokers)" ]] ||
    die "$RUN/kafka is of $(<"$RUN/kafka/brokers") brokers, not $(kafka_brokers): scripts/stack/down.sh --wipe kafka"
}

kafka_port() { echo $((PORT + 92 + 100 * (${1#kafka} - 1))); } # PROCESS: of its first listener
kafka_address() { echo "127.0.0.1:$(kafka_port "$1")"; }

kafka_each() { # PREFIX OFFSET: PREFIX127.0.0.1:PORT of every broker, with commas; N in PREFIX is its number
  local n list=()
  for n in $(seq "$(kafka_brokers)"); do list+=("${1//N/$n}127.0.0.1:$(($(kafka_port "$n") + $2))"); done
  (IFS=,; echo "${list[*]}")
}

kafka_env() {
  echo "export SENTINEL_STACK_KAFKA=$(kafka_each '' 0)"
  echo "export SENTINEL_STACK_KAFKA_TLS=$(kafka_each '' 2)"
  echo "export SENTINEL_STACK_KAFKA_CA=$RUN/kafka/tls/ca.pem"
  echo "export SENTINEL_STACK_KAFKA_USER=$KAFKA_USER"
  echo "export SENTINEL_STACK_KAFKA_PASSWORD=$KAFKA_PASSWORD"
}

kafka_build() {
  [[ ! -e $KAFKA_LIB/.complete ]] || return 0
  say "kafka: fetching $KAFKA_VERSION, 45 MiB"
  mkdir -p "$KAFKA_LIB"
  maven copy-dependencies -f "$HERE/kafka/pom.xml" -Dkafka.version="$KAFKA_VERSION" \
    -Dlog4j.version="$LOG4J_VERSION" -DincludeScope=runtime -DoutputDirectory="$KAFKA_LIB"
  touch "$KAFKA_LIB/.complete"
}

kafka_configure() {
  local brokers node replicas in_sync voters
  brokers=$(kafka_brokers)
  mkdir -p "$RUN/kafka"
  echo "$brokers" >"$RUN/kafka/brokers"
  certificates "$RUN/kafka/tls"
  (umask 077; cat "$RUN/kafka/tls/server.key" "$RUN/kafka/tls/server.pem" >"$RUN/kafka/tls/keystore.pem")
  voters=$(kafka_each N@ 1)
  replicas=$((brokers < 3 ? brokers : 3)) in_sync=$((brokers < 3 ? 1 : 2))
  for node in $(seq "$brokers"); do
    mkdir -p "$RUN/kafka/$node"
    NODE=$node VOTERS=$voters REPLICAS=$replicas IN_SYNC=$in_sync DATA=$RUN/kafka/$node/data TLS=$RUN/kafka/tls \
      CLIENT=$(kafka_port "$node") CONTROLLER=$(($(kafka_port "$node") + 1)) SECURE=$(($(kafka_port "$node") + 2)) \
      envsubst <"$HERE/kafka/server.properties" >"$RUN/kafka/$node/server.properties"
    [[ -e $RUN/kafka/$node/data/meta.properties ]] ||
      "${KAFKA_JAVA[@]}" -Xmx64m -XX:TieredStopAtLevel=1 kafka.tools.StorageTool format \
        --cluster-id "$KAFKA_CLUSTER_ID" --config "$RUN/kafka/$node/server.properties" \
        --add-scram "SCRAM-SHA-512=[name=$KAFKA_USER,password=$KAFKA_PASSWORD]" >"$RUN/kafka/$node/format.log" 2>&1 ||
      { cat "$RUN/kafka/$node/format.log" >&2; die "kafka$node: no storage"; }
  done
}

kafka_start() { # PROCESS
  local port; port=$(kafka_port "$1")
  check_free "$port" $((port + 1)) $((port + 2))
  start "$1" "${KAFKA_JAVA[@]}" "-Xms$KAFKA_HEAP" "-Xmx$KAFKA_HEAP" kafka.Kafka "$RUN/kafka/${1#kafka}/server.properties"
}

kafka_answers() { # PROCESS: do the brokers count it among themselves?
  kcat -L -J -m 2 -b "$(kafka_address "$1")" | jq -e "any(.brokers[]; .id == ${1#kafka})" >/dev/null
}

kafka_prepare() { :; }
