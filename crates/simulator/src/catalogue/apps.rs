//! The applications, in the order in which a cluster of growing size gets them.

use super::AppKind::{CronJob, DaemonSet, Deployment, StatefulSet};
use super::{App, Cpu, Extras, LogStyle, Memory};
use crate::load::Shape;

const NO_EXTRAS: Extras =
    Extras { scales_to: 0, has_budget: false, host: "", has_sidecar: false, is_system: false };
const SYSTEM: Extras = Extras { is_system: true, ..NO_EXTRAS };
const BUDGET: Extras = Extras { has_budget: true, ..NO_EXTRAS };

const fn cpu(request: i64, limit: i64, mean: f64) -> Cpu {
    Cpu { request, limit, mean }
}

const fn memory(request: i64, limit: i64, mean: f64) -> Memory {
    Memory { request, limit, mean }
}

/// What most services have in common.
const SERVICE: App = App {
    namespace: "shop",
    name: "",
    kind: Deployment(2),
    image: "",
    version: "1.0.0",
    port: 8080,
    team: "checkout",
    tier: "api",
    log: LogStyle::Json,
    shape: Shape::Evening,
    cpu: cpu(100, 500, 60.0),
    memory: memory(128, 256, 110.0),
    requests: 4.0,
    upstream: &[],
    extras: NO_EXTRAS,
};

const CLUSTER: App = App {
    namespace: "kube-system",
    team: "platform",
    tier: "system",
    log: LogStyle::Klog,
    shape: Shape::Level,
    requests: 0.1,
    extras: SYSTEM,
    ..SERVICE
};

const DATABASE: App = App {
    kind: StatefulSet(1, 20),
    image: "docker.io/library/postgres",
    version: "16.4",
    port: 5432,
    team: "data",
    tier: "data",
    log: LogStyle::Postgres,
    cpu: cpu(250, 1_000, 130.0),
    memory: memory(512, 1_024, 480.0),
    requests: 9.0,
    extras: BUDGET,
    ..SERVICE
};

/// A training job that somebody sizes for another cluster.
pub static TRAINER: App = App {
    namespace: "analytics",
    name: "trainer",
    kind: Deployment(1),
    image: "registry.example.com/analytics/trainer",
    version: "0.4.0",
    port: 0,
    team: "data",
    tier: "batch",
    log: LogStyle::Python,
    shape: Shape::Level,
    memory: memory(64, 0, 60.0),
    ..SERVICE
};

pub const APPS: [App; 34] = [
    App {
        name: "kube-proxy",
        kind: DaemonSet,
        image: "registry.k8s.io/kube-proxy",
        version: "v1.37.1",
        port: 0,
        cpu: cpu(20, 0, 4.0),
        memory: memory(32, 0, 26.0),
        ..CLUSTER
    },
    App {
        name: "coredns",
        image: "registry.k8s.io/coredns/coredns",
        version: "v1.15.0",
        port: 53,
        log: LogStyle::Plain,
        cpu: cpu(100, 0, 9.0),
        memory: memory(70, 170, 24.0),
        requests: 30.0,
        ..CLUSTER
    },
    App {
        name: "frontend",
        kind: Deployment(3),
        image: "registry.example.com/shop/frontend",
        version: "4.18.2",
        team: "web",
        tier: "edge",
        log: LogStyle::Access,
        cpu: cpu(100, 400, 62.0),
        memory: memory(96, 192, 84.0),
        requests: 6.0,
        upstream: &["cart", "catalog", "search"],
        extras: Extras { scales_to: 3, host: "shop.example.com", has_budget: true, ..NO_EXTRAS },
        ..SERVICE
    },
    App {
        name: "cart",
        image: "registry.example.com/shop/cart",
        version: "2.7.1",
        log: LogStyle::Java,
        cpu: cpu(150, 600, 74.0),
        memory: memory(384, 512, 330.0),
        requests: 4.0,
        upstream: &["orders-db", "session-cache"],
        extras: BUDGET,
        ..SERVICE
    },
    App {
        name: "catalog",
        image: "registry.example.com/shop/catalog",
        version: "3.4.0",
        team: "catalog",
        log: LogStyle::Klog,
        cpu: cpu(80, 300, 41.0),
        memory: memory(96, 192, 71.0),
        upstream: &["orders-db"],
        ..SERVICE
    },
    App { name: "orders-db", ..DATABASE },
    App {
        namespace: "payments",
        name: "gateway",
        image: "registry.example.com/payments/gateway",
        version: "1.9.3",
        team: "payments",
        tier: "edge",
        log: LogStyle::Logfmt,
        cpu: cpu(100, 400, 48.0),
        memory: memory(64, 128, 52.0),
        upstream: &["ledger", "fraud-scorer"],
        extras: Extras { has_sidecar: true, has_budget: true, ..NO_EXTRAS },
        ..SERVICE
    },
    App { namespace: "payments", name: "ledger", kind: StatefulSet(2, 40), ..DATABASE },
    App {
        namespace: "analytics",
        name: "ingest",
        image: "registry.example.com/analytics/ingest",
        version: "0.31.0",
        team: "data",
        shape: Shape::Office,
        cpu: cpu(120, 400, 80.0),
        memory: memory(128, 256, 120.0),
        requests: 8.0,
        upstream: &["warehouse"],
        extras: Extras { scales_to: 3, ..NO_EXTRAS },
        ..SERVICE
    },
    App {
        namespace: "media",
        name: "resizer",
        image: "registry.example.com/media/resizer",
        version: "5.2.4",
        team: "media",
        tier: "worker",
        cpu: cpu(200, 500, 140.0),
        memory: memory(192, 384, 210.0),
        requests: 2.0,
        upstream: &["originals"],
        extras: Extras { scales_to: 4, ..NO_EXTRAS },
        ..SERVICE
    },
    App {
        namespace: "platform",
        name: "ingress-nginx-controller",
        image: "registry.k8s.io/ingress-nginx/controller",
        version: "v1.13.2",
        port: 443,
        team: "platform",
        tier: "edge",
        log: LogStyle::Access,
        cpu: cpu(100, 0, 70.0),
        memory: memory(128, 512, 145.0),
        requests: 12.0,
        extras: BUDGET,
        ..SERVICE
    },
    App {
        name: "node-agent",
        kind: DaemonSet,
        image: "registry.example.com/platform/node-agent",
        version: "2.1.0",
        port: 0,
        log: LogStyle::Plain,
        cpu: cpu(30, 100, 12.0),
        memory: memory(48, 96, 41.0),
        ..CLUSTER
    },
    App {
        name: "checkout",
        image: "registry.example.com/shop/checkout",
        version: "1.22.0",
        cpu: cpu(100, 400, 44.0),
        memory: memory(96, 192, 88.0),
        requests: 2.0,
        upstream: &["cart", "orders-db"],
        ..SERVICE
    },
    App {
        namespace: "payments",
        name: "settler",
        image: "registry.example.com/payments/settler",
        version: "1.14.6",
        port: 0,
        team: "payments",
        tier: "worker",
        log: LogStyle::Java,
        shape: Shape::Level,
        cpu: cpu(100, 300, 55.0),
        memory: memory(192, 320, 180.0),
        requests: 1.5,
        upstream: &["ledger"],
        ..SERVICE
    },
    App {
        namespace: "analytics",
        name: "warehouse",
        image: "docker.io/clickhouse/clickhouse-server",
        version: "25.8",
        kind: StatefulSet(1, 100),
        port: 9000,
        log: LogStyle::Plain,
        shape: Shape::Office,
        cpu: cpu(500, 2_000, 360.0),
        memory: memory(1_024, 2_048, 1_180.0),
        ..DATABASE
    },
    App {
        namespace: "media",
        name: "originals",
        image: "quay.io/minio/minio",
        version: "RELEASE.2026-09-14T20-01-31Z",
        kind: StatefulSet(1, 200),
        port: 9000,
        log: LogStyle::Json,
        cpu: cpu(100, 500, 46.0),
        memory: memory(256, 512, 290.0),
        requests: 3.0,
        ..DATABASE
    },
    App {
        namespace: "analytics",
        name: "compact",
        kind: CronJob(2, 22.0),
        image: "registry.example.com/analytics/compact",
        version: "0.31.0",
        port: 0,
        team: "data",
        tier: "batch",
        log: LogStyle::Plain,
        shape: Shape::Level,
        cpu: cpu(50, 200, 120.0),
        memory: memory(32, 64, 30.0),
        requests: 0.5,
        ..SERVICE
    },
    App {
        name: "search",
        image: "registry.example.com/shop/search",
        version: "8.11.3",
        team: "catalog",
        log: LogStyle::Java,
        cpu: cpu(200, 800, 120.0),
        memory: memory(512, 768, 540.0),
        ..SERVICE
    },
    App {
        name: "session-cache",
        image: "docker.io/library/redis",
        version: "7.4.1",
        port: 6379,
        team: "web",
        log: LogStyle::Redis,
        cpu: cpu(50, 200, 22.0),
        memory: memory(128, 256, 140.0),
        requests: 20.0,
        kind: StatefulSet(1, 5),
        ..DATABASE
    },
    App {
        namespace: "media",
        name: "thumbs",
        image: "registry.example.com/media/thumbs",
        version: "5.2.4",
        team: "media",
        log: LogStyle::Access,
        cpu: cpu(50, 200, 28.0),
        memory: memory(64, 128, 55.0),
        upstream: &["resizer", "originals"],
        ..SERVICE
    },
    App {
        namespace: "identity",
        name: "auth",
        image: "registry.example.com/identity/auth",
        version: "6.0.8",
        team: "identity",
        tier: "edge",
        shape: Shape::Office,
        cpu: cpu(100, 300, 38.0),
        memory: memory(128, 256, 130.0),
        upstream: &["accounts-db"],
        extras: Extras { host: "login.example.com", has_budget: true, ..NO_EXTRAS },
        ..SERVICE
    },
    App { namespace: "identity", name: "accounts-db", shape: Shape::Office, ..DATABASE },
    App {
        namespace: "platform",
        name: "kafka",
        kind: StatefulSet(3, 60),
        image: "quay.io/strimzi/kafka",
        version: "0.47.0-kafka-4.0.0",
        port: 9092,
        team: "platform",
        log: LogStyle::Java,
        shape: Shape::Level,
        cpu: cpu(300, 1_000, 190.0),
        memory: memory(1_024, 1_536, 1_010.0),
        ..DATABASE
    },
    App {
        name: "recommendations",
        image: "registry.example.com/shop/recommendations",
        version: "0.9.12",
        team: "data",
        log: LogStyle::Python,
        cpu: cpu(150, 500, 92.0),
        memory: memory(384, 640, 410.0),
        upstream: &["catalog"],
        ..SERVICE
    },
    App {
        namespace: "payments",
        name: "fraud-scorer",
        image: "registry.example.com/payments/fraud-scorer",
        version: "3.3.1",
        team: "payments",
        log: LogStyle::Python,
        cpu: cpu(200, 600, 130.0),
        memory: memory(384, 512, 360.0),
        ..SERVICE
    },
    App {
        name: "metrics-server",
        kind: Deployment(1),
        image: "registry.k8s.io/metrics-server/metrics-server",
        version: "v0.9.0",
        port: 443,
        cpu: cpu(100, 0, 7.0),
        memory: memory(200, 0, 36.0),
        ..CLUSTER
    },
    App {
        namespace: "payments",
        name: "invoice-mailer",
        kind: CronJob(5, 35.0),
        image: "registry.example.com/payments/invoice-mailer",
        version: "2.0.4",
        port: 0,
        team: "payments",
        tier: "batch",
        log: LogStyle::Python,
        cpu: cpu(50, 200, 60.0),
        memory: memory(64, 128, 70.0),
        requests: 0.6,
        ..SERVICE
    },
    App {
        namespace: "media",
        name: "transcoder",
        image: "registry.example.com/media/transcoder",
        version: "2.8.0",
        port: 0,
        team: "media",
        tier: "worker",
        log: LogStyle::Plain,
        shape: Shape::Night,
        cpu: cpu(500, 0, 420.0),
        memory: memory(256, 768, 380.0),
        requests: 0.4,
        ..SERVICE
    },
    App {
        namespace: "platform",
        name: "gitops-controller",
        kind: Deployment(1),
        image: "registry.example.com/platform/gitops-controller",
        version: "1.12.5",
        port: 0,
        team: "platform",
        log: LogStyle::Logfmt,
        shape: Shape::Office,
        cpu: cpu(50, 200, 14.0),
        memory: memory(96, 192, 90.0),
        requests: 0.3,
        ..SERVICE
    },
    App {
        namespace: "analytics",
        name: "reporter",
        kind: Deployment(1),
        image: "registry.example.com/analytics/reporter",
        version: "0.31.0",
        port: 0,
        team: "data",
        tier: "worker",
        log: LogStyle::Python,
        shape: Shape::Office,
        cpu: cpu(100, 300, 45.0),
        memory: memory(192, 320, 190.0),
        requests: 0.5,
        upstream: &["warehouse"],
        ..SERVICE
    },
    App {
        namespace: "platform",
        name: "cert-manager",
        kind: Deployment(1),
        image: "quay.io/jetstack/cert-manager-controller",
        version: "v1.18.2",
        port: 0,
        team: "platform",
        log: LogStyle::Klog,
        shape: Shape::Level,
        cpu: cpu(20, 100, 4.0),
        memory: memory(48, 128, 44.0),
        requests: 0.1,
        ..SERVICE
    },
    App {
        namespace: "analytics",
        name: "daily-report",
        kind: CronJob(15, 70.0),
        image: "registry.example.com/analytics/daily-report",
        version: "0.31.0",
        port: 0,
        team: "data",
        tier: "batch",
        log: LogStyle::Python,
        cpu: cpu(100, 500, 310.0),
        memory: memory(128, 256, 150.0),
        requests: 0.8,
        ..SERVICE
    },
    App {
        name: "reviews",
        image: "registry.example.com/shop/reviews",
        version: "1.3.7",
        team: "catalog",
        log: LogStyle::Json,
        cpu: cpu(50, 200, 24.0),
        memory: memory(96, 192, 80.0),
        requests: 2.0,
        upstream: &["orders-db"],
        ..SERVICE
    },
    App {
        namespace: "identity",
        name: "profiles",
        image: "registry.example.com/identity/profiles",
        version: "2.4.9",
        team: "identity",
        log: LogStyle::Json,
        shape: Shape::Office,
        cpu: cpu(50, 200, 21.0),
        memory: memory(96, 192, 78.0),
        requests: 2.5,
        upstream: &["accounts-db"],
        ..SERVICE
    },
];
