// The REST routes of the mock, close enough to the real ones for the page not to notice.
import type { DeadLetterRow, EventRow, LogRow, Overview, PodDetail } from '../../src/api/types';
import { amounts, CLUSTER, type MockCluster, type MockPod } from './cluster';
import { MockSettings, type Sent } from './settings';
import { EVENT_STEP, eventAt, LOG_STEP, logAt, pipelineAt } from './stream';
import { type MockMetrics, moment } from './series';

export interface Answer { status: number; body: unknown }
const ok = (body: unknown): Answer => ({ status: 200, body });
const page = <T>(items: T[], params: URLSearchParams, fallback = 100): Answer => {
  const limit = Number(params.get('limit') ?? fallback);
  const start = Number(params.get('page_token') ?? 0);
  const end = start + limit;
  return ok({ items: items.slice(start, end), next_page_token: end < items.length ? String(end) : null });
};
const missing = (detail: string): Answer => ({ status: 404, body: { type: 'about:blank', title: 'Not found', status: 404, detail, instance: '', code: 'not_found', hint: 'It may have been deleted; events and logs of it are still kept.' } });

export class MockApi {
  readonly settings = new MockSettings();

  constructor(readonly cluster: MockCluster, readonly metrics: MockMetrics, readonly hasToken = false) {}

  handle(method: string, path: string, params: URLSearchParams, sent: Sent = {}): Answer {
    const now = Date.now();
    const parts = path.split('/').filter((part) => part !== '').map(decodeURIComponent);
    const inScope = <T extends { namespace: string }>(rows: T[]): T[] => {
      const wanted = params.getAll('namespace');
      return wanted.length === 0 ? rows : rows.filter((row) => wanted.includes(row.namespace));
    };
    const [head, a, b, c] = parts;
    switch (head) {
      case 'clusters': return page([{ name: CLUSTER, is_simulated: true, source: 'simulator', n_nodes: this.cluster.nodes.length, n_nodes_ready: this.cluster.nodes.length - 1, n_pods: this.cluster.pods.length, n_pods_running: this.cluster.pods.filter((pod) => pod.row.phase === 'Running').length, n_pods_failing: this.cluster.pods.filter((pod) => pod.fault).length, last_seen: new Date(now).toISOString() }], params);
      case 'namespaces': return page(this.namespaces(now), params);
      case 'status': return ok({ version: '0.0.0', mode: 'demo', is_simulated: true, started: new Date(this.cluster.started).toISOString(), auth: this.hasToken ? 'token' : 'none', clusters: [CLUSTER] });
      case 'overview': return ok(this.overview(now, params.getAll('namespace')));
      case 'changes': {
        const { changes } = this.overview(now, params.getAll('namespace'));
        const fits = (wanted: string | null, found: string): boolean => wanted === null || wanted === found;
        return ok({ known_from: new Date(this.cluster.started).toISOString(), items: changes.filter((row) => fits(params.get('kind'), row.object_kind) && fits(params.get('name'), row.object_name)) });
      }
      case 'nodes': return a ? this.node(a, now) : page(this.cluster.nodeRows(now), params);
      case 'workloads': return a && b && c ? this.workload(a, b, c, now) : page(inScope(this.cluster.workloadRows()), params);
      case 'pods': return !a || !b ? page(inScope(this.cluster.podRows(now)), params) : c === 'logs' ? this.podLogs(b, params, now) : this.pod(a, b, now);
      case 'events': return this.stream(parts, params, now, EVENT_STEP, (i) => eventAt(this.cluster, i), 'last_seen');
      case 'logs': return this.stream(parts, params, now, LOG_STEP, (i) => logAt(this.cluster, i), 'timestamp');
      case 'metrics': return this.metric(parts, params);
      case 'query_range': return ok(this.metrics.range(params, now));
      case 'pipeline': return ok(pipelineAt(now));
      case 'objects': return b ? missing(path) : page([], params);
      case 'dead-letters': return this.deadLetters(method, a, params, now);
      case 'settings': return a === 'retention' ? this.settings.retention(method, sent) : missing(path);
      case 'tokens': return this.settings.tokens(method, a, sent);
      default: return missing(path);
    }
  }

  private namespaces(now: number): { name: string; namespace: string }[] {
    const names = [...new Set(this.cluster.pods.map((pod) => pod.row.namespace))];
    return names.map((name) => {
      const own = this.cluster.pods.filter((pod) => pod.row.namespace === name);
      return { cluster: CLUSTER, name, namespace: name, phase: 'Active', n_pods: own.length, n_pods_ready: own.filter((pod) => pod.row.is_healthy).length, n_pods_failing: own.filter((pod) => pod.fault).length, n_restarts: 0, usage: { cpu: amounts(null, null, null), memory: amounts(null, null, null) }, created: new Date(now - 9e9).toISOString() };
    });
  }

  private findPod(name: string): MockPod | undefined {
    return this.cluster.pods.find((pod) => pod.row.name === name);
  }

  private pod(namespace: string, name: string, now: number): Answer {
    const found = this.findPod(name);
    if (!found) return missing(`pod ${namespace}/${name}`);
    const { row, fault, container } = found;
    const usage = this.cluster.usageOf(found, now);
    const absent = { type: 'absent', reason: '', message: '', exit_code: null, signal: null, started: null, finished: null } as const;
    const running = { ...absent, type: 'running', started: row.created } as const;
    const last = row.last_termination ? { ...absent, type: 'terminated', reason: row.last_termination.reason, exit_code: row.last_termination.exit_code, started: new Date(now - 400_000).toISOString(), finished: row.last_termination.finished } as const : absent;
    const state = fault === 'crash' || fault === 'image' ? { ...absent, type: 'waiting', reason: row.reason, message: row.message } as const : running;
    const image = `registry.internal/${row.namespace}/${row.workload}:2.14.0`;
    const containers: PodDetail['containers'] = [{ name: container, kind: 'app', image, is_ready: fault === null, is_started: fault !== 'image', restart_count: row.n_restarts, state, last_state: last, usage }];
    if (row.total_containers > 1) containers.push({ name: 'envoy', kind: 'sidecar', image: 'envoyproxy/envoy:v1.36.0', is_ready: true, is_started: true, restart_count: 0, state: running, last_state: absent, usage: { cpu: amounts(0.012, 0.05, 0.2), memory: amounts(61e6, 64 * 1024 * 1024, 128 * 1024 * 1024) } });
    const labels = { 'app.kubernetes.io/name': row.workload, 'app.kubernetes.io/part-of': row.namespace, 'pod-template-hash': '7d9f8c5b6' };
    const conditions = ['Ready', 'ContainersReady', 'Initialized', 'PodScheduled'].map((type) => ({ type, status: fault && type !== 'Initialized' ? 'False' : 'True', reason: fault && type === 'Ready' ? 'ContainersNotReady' : '', message: fault && type === 'Ready' ? `containers with unready status: [${container}]` : '', since: row.created }));
    const manifest = {
      apiVersion: 'v1', kind: 'Pod', metadata: { name: row.name, namespace: row.namespace, uid: row.uid, labels },
      spec: { containers: containers.map((one) => ({ name: one.name, image: one.image, args: ['--listen', ':8080', '--log-format', 'json'], resources: { requests: { cpu: '250m', memory: '256Mi' }, limits: { cpu: '1', memory: '512Mi' } }, ports: [{ containerPort: 8080, name: 'http' }] })), nodeName: row.node, restartPolicy: 'Always', serviceAccountName: 'default' },
      status: { phase: row.phase, podIP: row.pod_ip, conditions },
    };
    return ok({ ...row, usage, qos_class: 'Burstable', service_account: 'default', started: row.created, conditions, labels, owners: [{ kind: 'ReplicaSet', name: row.name.split('-').slice(0, -1).join('-'), uid: 'x', is_controller: true }], containers, manifest });
  }

  private podLogs(name: string, params: URLSearchParams, now: number): Answer {
    const found = this.findPod(name);
    if (!found) return missing(`pod ${name}`);
    const isCollected = found.row.namespace === 'shop' || found.row.namespace === 'payments';
    const tail = Number(params.get('tail') ?? 200);
    const items = isCollected ? Array.from({ length: tail }, (_, i) => {
      const line = logAt(this.cluster, Math.floor(now / LOG_STEP) - (tail - i) * 8);
      return { timestamp: line.timestamp, severity: line.severity, container: found.container, body: line.body };
    }) : [];
    return ok({ items, next_page_token: null, is_collected: isCollected, hint: isCollected ? null : `Logs of the namespace ${found.row.namespace} are not collected. Add it to collector.kubernetes.log_namespaces.` });
  }

  private node(name: string, now: number): Answer {
    const row = this.cluster.nodeRows(now).find((node) => node.name === name);
    if (!row) return missing(`node ${name}`);
    const labels = { 'kubernetes.io/hostname': name, 'kubernetes.io/arch': 'amd64', 'topology.kubernetes.io/zone': 'eu-central-1a', 'node.kubernetes.io/instance-type': 'm7i.2xlarge' };
    return ok({ ...row, labels, manifest: { apiVersion: 'v1', kind: 'Node', metadata: { name, labels }, spec: { podCIDR: '10.244.3.0/24', taints: row.taints }, status: { allocatable: { cpu: '8', memory: '32Gi', pods: '110' }, conditions: row.conditions } } });
  }

  private workload(kind: string, namespace: string, name: string, now: number): Answer {
    const row = this.cluster.workloadRows().find((one) => one.kind === kind && one.namespace === namespace && one.name === name);
    if (!row) return missing(`${kind} ${namespace}/${name}`);
    const pods = this.cluster.podRows(now).filter((pod) => pod.workload === name && pod.namespace === namespace);
    return ok({ ...row, conditions: [{ type: 'Available', status: row.status === 'Available' ? 'True' : 'False', reason: row.reason || 'MinimumReplicasAvailable', message: 'Deployment has minimum availability.', since: row.created }], labels: { app: name }, pods, manifest: { apiVersion: 'apps/v1', kind, metadata: { name, namespace, labels: { app: name } }, spec: { replicas: row.desired, selector: { matchLabels: { app: name } } }, status: { readyReplicas: row.ready } } });
  }

  private stream(parts: string[], params: URLSearchParams, now: number, stepMs: number, at: (i: number) => EventRow | LogRow, timeField: string): Answer {
    const from = moment(params.get('from'), now - 900_000, now);
    const to = Math.min(now, moment(params.get('to'), now, now));
    const first = Math.max(Math.ceil(from / stepMs), Math.floor(to / stepMs) - 20_000);
    const rows: Record<string, unknown>[] = [];
    const q = (params.get('q') ?? '').toLowerCase();
    for (let i = Math.floor(to / stepMs); i >= first; i -= 1) {
      const row = at(i) as unknown as Record<string, unknown>;
      const text = `${String(row.message ?? row.body)} ${String(row.object_name ?? row.pod)} ${String(row.reason ?? '')}`.toLowerCase();
      const fits = ['severity', 'reason', 'object_kind', 'object_name', 'workload', 'pod', 'container', 'namespace', 'node'].every((name) => params.getAll(name).length === 0 || params.getAll(name).includes(String(row[name])));
      if (fits && text.includes(q)) rows.push(row);
    }
    if (parts[1] === 'histogram') {
      const bucket = Math.max(10_000, Math.ceil((to - from) / 60 / 10_000) * 10_000);
      const counts = new Map<number, Record<string, number>>();
      for (let t = Math.floor(from / bucket) * bucket; t <= to; t += bucket) counts.set(t, {});
      for (const row of rows) {
        const t = Math.floor(Date.parse(String(row[timeField])) / bucket) * bucket;
        const into = counts.get(t) ?? {};
        into[String(row.severity)] = (into[String(row.severity)] ?? 0) + 1;
      }
      return ok({ bucket_ms: bucket, from: new Date(from).toISOString(), to: new Date(to).toISOString(), items: [...counts].map(([t, into]) => ({ start: new Date(t).toISOString(), counts: into })) });
    }
    if (parts[1] === 'facets') {
      const counts = new Map<string, number>();
      const field = params.get('field') ?? 'reason';
      for (const row of rows) counts.set(String(row[field]), (counts.get(String(row[field])) ?? 0) + 1);
      return ok({ items: [...counts].map(([value, count]) => ({ value, count })).sort((x, y) => y.count - x.count).slice(0, Number(params.get('limit') ?? 10)) });
    }
    return page(params.get('order') === 'asc' ? rows.reverse() : rows, params);
  }

  private metric(parts: string[], params: URLSearchParams): Answer {
    const { series, metric } = this.metrics.select(params.get('match') ?? '');
    const labels = [...new Set(series.flatMap((one) => Object.keys(one.labels)))].sort();
    if (parts[1] === 'labels' && parts[2]) return ok({ items: [...new Set(series.map((one) => one.labels[parts[2] ?? ''] ?? ''))].filter((value) => value !== '').sort().slice(0, Number(params.get('limit') ?? 100)) });
    if (parts[1] === 'labels') return ok({ items: labels });
    if (parts[1] === 'series') return ok({ items: series.slice(0, 100).map((one) => ({ labels: one.labels })) });
    if (parts[1] === 'latest' && params.get('match') === 'up') return ok({ items: this.cluster.nodes.map((node, i) => ({ labels: { __name__: 'up', cluster: CLUSTER, instance: node, job: 'kubelet', metrics_path: i % 2 === 0 ? '/metrics/cadvisor' : '/stats/summary' }, kind: 'gauge', timestamp_ms: Date.now(), value: i === 3 ? 0 : 1, is_provisional: true })) });
    if (parts[1] === 'latest') return ok({ items: series.slice(0, 100).map((one) => ({ labels: one.labels, kind: metric?.kind ?? 'unknown', timestamp_ms: Date.now(), value: one.at(Date.now()), is_provisional: true })) });
    const q = (params.get('q') ?? '').toLowerCase();
    return page(this.metrics.names().filter((row) => row.name.includes(q)), params);
  }

  private deadLetters(method: string, id: string | undefined, params: URLSearchParams, now: number): Answer {
    const rows = Array.from({ length: 17 }, (_, i): DeadLetterRow => {
      const reason = i < 12 ? 'late' : i < 16 ? 'corrupt' : 'missing-base';
      return { id: `0-${i}`, topic: i < 12 ? 'sentinel.metrics.v1' : 'sentinel.logs.v1', partition: 0, offset: i, reason, detail: reason === 'late' ? 'sample is 94 s older than the watermark' : reason === 'corrupt' ? 'zstd: unexpected end of frame at byte 211' : 'delta frame 5212 without its key frame', observed: new Date(now - i * 340_000).toISOString(), role: 'processor', bytes: 211 + i * 37, preview: '(µ/\\xfd…prod-eu/ip-10-0-1-14' };
    });
    if (method === 'POST') return ok({ n_replayed: 3, skipped: [] });
    if (id) {
      const row = rows.find((one) => one.id === id);
      return row ? ok({ ...row, key: 'prod-eu/ip-10-0-1-14', value_base64: Buffer.from('SM1\u0000prod-eu/ip-10-0-1-14 container_cpu_usage_seconds_total 1 2 3 5 8 13'.repeat(4)).toString('base64') }) : missing(`dead letter ${id}`);
    }
    return page(rows.filter((row) => !params.get('reason') || row.reason === params.get('reason')), params);
  }

  private overview(now: number, namespaces: string[]): Overview {
    const pods = this.cluster.podRows(now).filter((pod) => namespaces.length === 0 || namespaces.includes(pod.namespace));
    const broken = pods.filter((pod) => !pod.is_healthy);
    const nodes = this.cluster.nodeRows(now);
    const total = (resource: 'cpu' | 'memory') => ({ allocatable: sum(nodes.map((node) => node.usage[resource].allocatable)), requested: sum(pods.map((pod) => pod.usage[resource].requested)), limit: sum(pods.map((pod) => pod.usage[resource].limit)), used: sum(pods.map((pod) => pod.usage[resource].used)) });
    const top = (value: (pod: (typeof pods)[number]) => number | null) => {
      const found = new Map<string, Overview['top']['cpu'][number]>();
      for (const pod of pods) {
        const key = `${pod.namespace}/${pod.workload}`;
        const row = found.get(key) ?? { cluster: CLUSTER, namespace: pod.namespace, workload_kind: pod.workload_kind, workload: pod.workload, value: 0 };
        row.value += value(pod) ?? 0;
        found.set(key, row);
      }
      return [...found.values()].filter((row) => row.value > 0).sort((x, y) => y.value - x.value).slice(0, 8);
    };
    const finished = pods.filter((pod) => pod.phase === 'Succeeded').length;
    return {
      health: { n_pods: pods.length, n_pods_healthy: pods.length - broken.length, n_pods_failing: broken.length, n_pods_finished: finished, n_pods_pending: pods.filter((pod) => pod.phase === 'Pending').length, n_pods_running: pods.filter((pod) => pod.phase === 'Running').length, n_nodes: nodes.length, n_nodes_ready: nodes.filter((node) => node.status === 'Ready').length, n_workloads: pods.length === 0 ? 0 : this.cluster.templates.length, n_workloads_healthy: pods.length === 0 ? 0 : this.cluster.templates.length - 5 },
      problems: [
        ...nodes.filter((node) => node.status !== 'Ready').map((node) => ({ severity: 'critical' as const, kind: 'node', cluster: CLUSTER, namespace: '', object_kind: 'Node', object_name: node.name, reason: node.reason, message: 'container runtime network not ready: NetworkReady=false', since: new Date(this.cluster.started - 900_000).toISOString() })),
        ...broken.map((pod) => ({ severity: pod.status === 'NotReady' ? 'warning' as const : pod.status === 'Unschedulable' ? 'error' as const : 'critical' as const, kind: 'pod', cluster: CLUSTER, namespace: pod.namespace, object_kind: 'Pod', object_name: pod.name, reason: pod.status, message: pod.message || (pod.last_termination ? `container ${pod.last_termination.container} ended: ${pod.last_termination.reason}, exit code ${pod.last_termination.exit_code}` : ''), since: pod.last_restart ?? pod.created })),
      ],
      changes: [
        ['Rollout', 'Deployment', 'shop', 'checkout', 'image 2.13.4 → 2.14.0', 4],
        ['Scaled', 'Deployment', 'shop', 'storefront', 'replicas 5 → 6', 9],
        ['Created', 'Pod', 'payments', 'card-gateway-6b7d-x2x9q', 'created', 11],
        ['Config', 'ConfigMap', 'platform', 'ingress-nginx', 'data changed', 17],
        ['Cordoned', 'Node', '', this.cluster.nodes[6] ?? '', 'made unschedulable', 26],
      ].map(([kind, object_kind, namespace, object_name, what, minutes]) => ({ cluster: CLUSTER, kind: String(kind), object_kind: String(object_kind), namespace: String(namespace), object_name: String(object_name), what: String(what), time: new Date(now - Number(minutes) * 60_000).toISOString() })),
      capacity: { cpu: total('cpu'), memory: total('memory'), pods: { allocatable: nodes.length * 110, used: pods.length } },
      top: { cpu: top((pod) => pod.usage.cpu.used), memory: top((pod) => pod.usage.memory.used), restarts: top((pod) => pod.n_restarts) },
      counts: { n_clusters: 1, n_namespaces: new Set(pods.map((pod) => pod.namespace)).size, n_problems: broken.length + 1, n_warnings: 0, n_series: 14_820, n_warning_events: 214 },
    };
  }
}

const sum = (values: (number | null)[]): number => values.reduce<number>((total, value) => total + (value ?? 0), 0);
