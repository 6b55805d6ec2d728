// Events, log lines and the pipeline's state, as functions of time.
import type { EventRow, LogRow, Pipeline, Stage } from '../../src/api/types';
import { CLUSTER, type MockCluster } from './cluster';
import { hash, noise, unit } from './dice';

const REASONS: [string, string, string][] = [
  ['info', 'Pulled', 'Container image already present on machine'],
  ['info', 'Scheduled', 'Successfully assigned to node'],
  ['info', 'Started', 'Started container'],
  ['info', 'ScalingReplicaSet', 'Scaled up replica set to 4 from 3'],
  ['warning', 'BackOff', 'Back-off restarting failed container checkout in pod'],
  ['error', 'Unhealthy', 'Readiness probe failed: HTTP probe failed with statuscode: 503'],
  ['error', 'FailedScheduling', '0/8 nodes are available: 8 Insufficient memory. preemption: 0/8 nodes are available: 8 No preemption victims found for incoming pod.'],
  ['error', 'Failed', 'Error: ImagePullBackOff'],
  ['critical', 'SystemOOM', 'System OOM encountered, victim process: recommend, pid: 24117'],
];

export const EVENT_STEP = 7_000;
export const LOG_STEP = 420;
const pick = <T>(list: readonly T[], seed: string): T => list[hash(seed) % list.length] as T;

export function eventAt(cluster: MockCluster, i: number): EventRow {
  const seed = `e${i}`;
  const [severity, reason, message] = pick(REASONS, seed);
  const broken = cluster.pods.filter((pod) => pod.fault);
  const { row } = severity === 'info' ? pick(cluster.pods, `${seed}p`) : pick(broken, `${seed}p`);
  const time = i * EVENT_STEP;
  const count = severity === 'info' ? 1 : 1 + (hash(`${seed}n`) % 40);
  return {
    id: seed, cluster: CLUSTER, namespace: row.namespace, type: severity === 'info' ? 'Normal' : 'Warning', severity, reason, message, object_kind: 'Pod', object_name: row.name,
    workload_kind: row.workload_kind, workload: row.workload, node: row.node, reporter: reason === 'Scheduled' ? 'default-scheduler' : 'kubelet', count, first_seen: new Date(time - count * 20_000).toISOString(), last_seen: new Date(time).toISOString(),
  };
}

const LINES: [string, string][] = [
  ['info', 'GET /api/cart 200 12ms trace=%x'],
  ['info', 'cache refreshed: 1,204 entries in 83 ms'],
  ['debug', 'lease renewed for holder %x'],
  ['info', '{"level":"info","msg":"order placed","order":"%x","total_cents":4599,"currency":"EUR","items":3}'],
  ['warn', 'slow query (1.4 s): select * from orders where customer_id = $1 order by created_at desc limit 50'],
  ['error', 'connect ECONNREFUSED 10.96.14.2:5432: the ledger database does not answer, retry 3 of 5'],
  ['fatal', 'panic: runtime error: invalid memory address or nil pointer dereference'],
  ['unspecified', '    at checkout/payment.go:212 +0x%x'],
];

export function logAt(cluster: MockCluster, i: number): LogRow {
  const seed = `l${i}`;
  const n = unit(seed);
  const [severity, body] = LINES[n < 0.45 ? 0 : n < 0.58 ? 1 : n < 0.66 ? 2 : n < 0.85 ? 3 : n < 0.91 ? 4 : n < 0.96 ? 5 : n < 0.97 ? 6 : 7] as [string, string];
  const own = cluster.pods.filter((pod) => pod.row.namespace === 'shop' || pod.row.namespace === 'payments');
  const { row, container } = pick(own, `${seed}p`);
  return {
    id: seed, timestamp: new Date(i * LOG_STEP + (hash(seed) % 300)).toISOString(), cluster: CLUSTER, namespace: row.namespace, workload_kind: row.workload_kind, workload: row.workload,
    pod: row.name, container, node: row.node, severity, body: body.replace('%x', hash(seed).toString(16)),
  };
}

export function pipelineAt(time: number): Pipeline {
  const seconds = time / 1000;
  const wave = (name: string, base: number, share = 0.08): number => base * (1 + share * noise(name, seconds, 12));
  const stage = (id: Stage['id'], title: string, rate_of: string, change: Partial<Stage>): Stage => ({
    id, title, rate_of, status: 'ok', reason: '', note: '', refused_total: null, rate_per_s: null, bytes_per_s: null, lag_records: 0, lag_seconds: null, dropped_total: 0, loss_total: 0, duplicates_total: 0, newest_age_s: null, details: {}, ...change,
  });
  const samples = wave('samples', 5210);
  return {
    generated_at: new Date(time).toISOString(),
    stages: [
      stage('collector', 'Collector', 'samples', { rate_per_s: samples, bytes_per_s: samples * 0.92, newest_age_s: 0.8 + (seconds % 1), details: { n_targets: 31, n_failed_targets: 1, queue_bytes: 18_204, spool_bytes: 0 }, dropped_total: 0 }),
      stage('bus', 'Bus', 'records', { rate_per_s: wave('bus', 46), bytes_per_s: samples * 1.05, lag_records: null, newest_age_s: 0.9 + (seconds % 1), details: { stored_bytes: 48_220_114, fsync_p99_seconds: 0.0041 }, loss_total: null, duplicates_total: null }),
      stage('processor', 'Processor', 'samples', { rate_per_s: samples * 0.998, lag_records: Math.round(3 + 3 * Math.abs(noise('lag', seconds, 4))), lag_seconds: 0.4 + 0.2 * noise('lags', seconds, 5), newest_age_s: 1.2 + (seconds % 1), duplicates_total: 0, details: { active_series: 14_820, watermark_lag_seconds: 31.2, late_samples: 12 } }),
      stage('metric-store', 'Metric store', 'windows', { rate_per_s: wave('ms', 1480), bytes_per_s: wave('msb', 1310), newest_age_s: 31 + (seconds % 10), details: { n_series: 14_820, disk_bytes: 31_442_002, head_bytes: 6_021_120 } }),
      stage('log-store', 'Log store', 'documents', { rate_per_s: wave('ls', 26), bytes_per_s: wave('lsb', 5200), newest_age_s: 2 + (seconds % 3), status: 'degraded', reason: 'one commit took 4.2 s', details: { n_documents: 1_204_220, disk_bytes: 88_210_442 } }),
      stage('api', 'API', 'requests', { rate_per_s: wave('api', 9.4), newest_age_s: 1.3 + (seconds % 1), details: { n_clients: 2, live_series: 14_820 } }),
    ],
    canary: (['Read from the bus', 'Live feed', 'Closed windows', 'Written to the metric store', 'Read from the metric store', 'Written to the log store', 'Read from the log store'] as const).map((title, i) => ({
      id: (['bus', 'live', 'windows', 'metric_store', 'metric_read', 'log_store', 'log_read'] as const)[i] ?? 'bus', title, received_total: 10_000 + Math.round(seconds % 1000), missing_total: 0, doubled_total: 0,
      latency_p50_s: [0.004, 0.02, 36, 36.2, 38, 0.1, 2.4][i] ?? null, latency_p99_s: [0.018, 0.09, 43, 43.4, 46, 0.4, 4.9][i] ?? null, last_seen: new Date(time - 400).toISOString(),
    })),
    topics: [
      { name: 'sentinel.metrics.v1', n_partitions: 8, n_records: 331_204, bytes: 31_004_112, published_per_s: wave('t1', 31), groups: [{ name: 'windows', lag: 3 }] },
      { name: 'sentinel.rollups.v1', n_partitions: 8, n_records: 120_220, bytes: 9_114_020, published_per_s: wave('t2', 9), groups: [{ name: 'metric-store', lag: 0 }, { name: 'rollup-stage2', lag: 12 }] },
      { name: 'sentinel.live.v1', n_partitions: 8, n_records: 9_120, bytes: 2_114_020, published_per_s: wave('t3', 8), groups: [] },
      { name: 'sentinel.logs.v1', n_partitions: 8, n_records: 40_114, bytes: 8_220_114, published_per_s: wave('t4', 4), groups: [{ name: 'logs', lag: 240 }] },
      { name: 'sentinel.events.v1', n_partitions: 4, n_records: 2_204, bytes: 901_220, published_per_s: wave('t5', 0.4), groups: [{ name: 'events', lag: 0 }] },
      { name: 'sentinel.objects.v1', n_partitions: 4, n_records: 1_902, bytes: 4_220_114, published_per_s: wave('t6', 1.2), groups: [] },
      { name: 'sentinel.dead-letters.v1', n_partitions: 1, n_records: 17, bytes: 18_220, published_per_s: 0, groups: [] },
    ],
    dead_letters: { total: 17, by_reason: { late: 12, corrupt: 4, 'missing-base': 1 } },
    components: [
      ...['api', 'bus', 'metric-store'].map((name) => ({ process: null, name, state: 'ready' as const, reason: '' })),
      { process: null, name: 'log-store', state: 'degraded', reason: 'one commit took 4.2 s' },
      { process: 'collector-2', name: 'collector/logs', state: 'degraded', reason: 'logs of 100 containers are not read; raise collector.kubernetes.logs.max_streams' },
    ],
  };
}
