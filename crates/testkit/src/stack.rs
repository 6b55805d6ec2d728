//! The real servers that `make stack` starts, as tests find them.

use sentinel_runtime::config::variable;

/// Bootstrap address of Kafka.
pub fn kafka() -> Option<String> {
    address("KAFKA")
}

/// Its encrypted listener.
pub fn kafka_tls() -> Option<KafkaTls> {
    let address = address("KAFKA_TLS")?;
    Some(KafkaTls {
        address,
        ca_file: required("KAFKA_CA"),
        user: required("KAFKA_USER"),
        password: required("KAFKA_PASSWORD"),
    })
}

/// TLS with SCRAM-SHA-512.
#[derive(Clone, Debug)]
pub struct KafkaTls {
    pub address: String,
    pub ca_file: String,
    pub user: String,
    pub password: String,
}

pub fn influxdb() -> Option<Influxdb> {
    let url = address("INFLUXDB")?;
    Some(Influxdb { url, org: required("INFLUXDB_ORG"), token: required("INFLUXDB_TOKEN") })
}

#[derive(Clone, Debug)]
pub struct Influxdb {
    pub url: String,
    pub org: String,
    pub token: String,
}

/// URLs of Elasticsearch and of every OpenSearch that runs.
pub fn searches() -> Vec<(&'static str, String)> {
    let servers = ["ELASTICSEARCH", "OPENSEARCH2", "OPENSEARCH3"];
    servers.into_iter().filter_map(|name| Some((name, address(name)?))).collect()
}

/// `redis://HOST:PORT`.
pub fn redis() -> Option<String> {
    address("REDIS")
}

/// Program of a Redis that a test can start, stop and kill by itself.
pub fn redis_server() -> Option<String> {
    address("REDIS_SERVER")
}

/// Servers that a set-up may lack.
const OPTIONAL: [&str; 2] = ["OPENSEARCH2", "OPENSEARCH3"];

/// A test that needs a server which does not run says so and passes, unless all of them should be there
/// (`SENTINEL_STACK_REQUIRED=1`).
#[expect(clippy::print_stderr, reason = "a test that is skipped must say so")]
fn address(server: &str) -> Option<String> {
    let name = format!("SENTINEL_STACK_{server}");
    let address = variable(&name);
    if address.is_none() {
        let is_required = variable("SENTINEL_STACK_REQUIRED").is_some() && !OPTIONAL.contains(&server);
        assert!(!is_required, "{name} is not set, and this run requires every server: make stack");
        eprintln!("skipped: {name} is not set (make stack)");
    }
    address
}

fn required(name: &str) -> String {
    let name = format!("SENTINEL_STACK_{name}");
    variable(&name).unwrap_or_else(|| panic!("{name} is not set beside the server's address"))
}
