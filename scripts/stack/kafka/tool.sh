#!/usr/bin/env bash
# Kafka's own command-line tools on the brokers that are up, for what kcat cannot do.
#   tool.sh topics --create --topic t --config retention.ms=60000
#   tool.sh configs|groups|acls ...
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
tool=${1:-}; shift || true
case $tool in
  topics) class=org.apache.kafka.tools.TopicCommand ;;
  configs) class=kafka.admin.ConfigCommand ;;
  groups) class=org.apache.kafka.tools.consumer.group.ConsumerGroupCommand ;;
  acls) class=kafka.admin.AclCommand ;;
  *) die "unknown tool '$tool': write topics, configs, groups or acls" ;;
esac
exec "${KAFKA_JAVA[@]}" -Xmx128m -XX:TieredStopAtLevel=1 -Dlevel=error "$class" \
  --bootstrap-server "$(kafka_each '' 0)" "$@"
