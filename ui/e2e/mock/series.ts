// Metrics of the made-up cluster: which series there are, their value at any time, and range queries over them.
import { parseMatcher, type Matcher } from '../../src/composables/selector';
import { statsOf } from '../../src/composables/series';
import type { LabelSet, MetricRow, Point, RangeAnswer, UnitName } from '../../src/api/types';
import { CLUSTER, type MockCluster } from './cluster';
import { hash, noise, unit } from './dice';

interface MockSeries { labels: LabelSet; at: (time: number) => number | null }
interface Metric { kind: 'gauge' | 'counter'; unit: UnitName; rateUnit: UnitName; series: () => MockSeries[] }

export class MockMetrics {
  private readonly metrics: Record<string, Metric>;

  constructor(cluster: MockCluster) {
    const perPod = (at: (pod: MockCluster['pods'][number], time: number) => number | null, container = false) => (): MockSeries[] =>
      cluster.pods.filter((pod) => cluster.runs(pod)).map((pod) => ({
        labels: { cluster: CLUSTER, namespace: pod.row.namespace, pod: pod.row.name, node: pod.row.node, workload: pod.row.workload, workload_kind: pod.row.workload_kind, ...(container ? { container: pod.container } : {}) },
        at: (time) => at(pod, time),
      }));
    const perNode = (at: (name: string, time: number) => number | null) => (): MockSeries[] => cluster.nodes.map((node) => ({ labels: { cluster: CLUSTER, node }, at: (time) => at(node, time) }));
    const counter = (unitName: UnitName, rateUnit: UnitName, series: () => MockSeries[]): Metric => ({ kind: 'counter', unit: unitName, rateUnit, series });
    const gauge = (unitName: UnitName, series: () => MockSeries[]): Metric => ({ kind: 'gauge', unit: unitName, rateUnit: unitName, series });
    const net = (pod: MockCluster['pods'][number], time: number): number => pod.cpu * 900_000 * (1 + 0.5 * noise(`${pod.row.name}n`, time / 1000, 40));
    this.metrics = {
      pod_cpu_usage_seconds_total: counter('seconds', 'cores', perPod((pod, time) => cluster.cpuAt(pod, time))),
      pod_memory_working_set_bytes: gauge('bytes', perPod((pod, time) => cluster.memoryAt(pod, time))),
      container_cpu_usage_seconds_total: counter('seconds', 'cores', perPod((pod, time) => cluster.cpuAt(pod, time), true)),
      container_memory_working_set_bytes: gauge('bytes', perPod((pod, time) => cluster.memoryAt(pod, time), true)),
      container_network_receive_bytes_total: counter('bytes', 'bytes/s', perPod(net)),
      container_network_transmit_bytes_total: counter('bytes', 'bytes/s', perPod((pod, time) => net(pod, time + 5e6) * 0.6)),
      container_cpu_cfs_throttled_periods_total: counter('none', '1/s', perPod((pod, time) => Math.max(0, 4 * noise(`${pod.row.name}t`, time / 1000, 60)), true)),
      kube_pod_container_status_restarts_total: counter('none', '1/s', perPod((pod) => (pod.row.n_restarts > 1 ? 0.004 : 0), true)),
      node_cpu_usage_seconds_total: counter('seconds', 'cores', perNode((node, time) => 2.5 + 1.4 * unit(node) + noise(node, time / 1000, 120))),
      node_memory_working_set_bytes: gauge('bytes', perNode((node, time) => (9 + 12 * unit(node) + 0.5 * noise(`${node}m`, time / 1000, 300)) * 1024 ** 3)),
      http_requests_total: counter('none', '1/s', () => ['200', '404', '500'].flatMap((code) => ['storefront', 'checkout', 'cart'].map((service): MockSeries => ({
        labels: { cluster: CLUSTER, namespace: 'shop', service, code }, at: (time) => (code === '200' ? 120 : 3) * (1 + 0.3 * noise(service + code, time / 1000, 50)),
      })))),
      go_goroutines: gauge('none', perPod((pod, time) => Math.round(40 + 30 * noise(pod.row.name, time / 1000, 100)))),
      sentinel_processor_samples_total: counter('none', '1/s', () => [{ labels: { cluster: CLUSTER, role: 'processor' }, at: (time) => 5200 + 300 * noise('s', time / 1000, 30) }]),
    };
    for (let i = 0; i < 220; i += 1) {
      const name = `app_${['cache', 'queue', 'worker', 'rpc', 'pool', 'disk'][i % 6] ?? ''}_${['hits', 'latency', 'inflight', 'errors', 'depth', 'writes'][hash(`m${i}`) % 6] ?? ''}_${i}${i % 3 === 0 ? '_total' : ''}`;
      this.metrics[name] = { kind: i % 3 === 0 ? 'counter' : 'gauge', unit: 'none', rateUnit: i % 3 === 0 ? '1/s' : 'none', series: () => [0, 1, 2].map((n) => ({ labels: { cluster: CLUSTER, namespace: 'shop', instance: `10.244.1.${n}:9090` }, at: (time) => 10 + 5 * noise(`${name}${n}`, time / 1000, 60) })) };
    }
  }

  names(): MetricRow[] {
    return Object.entries(this.metrics).map(([name, metric]) => ({ name, kind: metric.kind, unit: metric.unit, n_series: metric.series().length })).sort((a, b) => a.name.localeCompare(b.name));
  }

  select(match: string): { name: string; metric: Metric | null; series: MockSeries[] } {
    const [, name = '', inner = ''] = /^([\w:]*)\s*(?:\{(.*)\})?$/s.exec(match.trim()) ?? [];
    const matchers = (inner.match(/[\w.]+\s*(?:=~|!~|!=|=)\s*"(?:[^"\\]|\\.)*"/g) ?? []).map(parseMatcher).filter((x): x is Matcher => x !== null);
    const metric = this.metrics[name] ?? null;
    const fits = (labels: LabelSet): boolean => matchers.every(({ label, op, value }) => {
      const seen = labels[label] ?? '';
      if (op === '=' || op === '!=') return (seen === value) === (op === '=');
      return new RegExp(`^(?:${value})$`).test(seen) === (op === '=~');
    });
    return { name, metric, series: (metric?.series() ?? []).filter((series) => fits(series.labels)) };
  }

  range(params: URLSearchParams, now: number): RangeAnswer {
    const { name, metric, series } = this.select(params.get('match') ?? '');
    const [from, to] = [moment(params.get('from'), now - 900_000, now), moment(params.get('to'), now, now)];
    const step = stepOf(params.get('step'), to - from);
    const fn = params.get('function') ?? (metric?.kind === 'counter' ? 'rate' : 'value');
    const aggregate = params.get('aggregate') ?? 'none';
    const by = params.getAll('by');
    const times: number[] = [];
    for (let t = Math.ceil(from / step) * step; t <= Math.min(to, now); t += step) times.push(t);
    const groups = new Map<string, { labels: LabelSet; members: MockSeries[] }>();
    for (const one of series) {
      const labels = aggregate === 'none' ? one.labels : Object.fromEntries(by.map((label) => [label, one.labels[label] ?? '']));
      const key = aggregate === 'none' ? JSON.stringify(one.labels) : JSON.stringify(labels);
      const group = groups.get(key) ?? { labels, members: [] };
      group.members.push(one);
      groups.set(key, group);
    }
    const join = (values: number[]): number | null => {
      if (values.length === 0) return null;
      if (aggregate === 'count') return values.length;
      if (aggregate === 'max') return Math.max(...values);
      if (aggregate === 'min') return Math.min(...values);
      const sum = values.reduce((a, b) => a + b, 0);
      return aggregate === 'avg' ? sum / values.length : sum;
    };
    const made = [...groups.values()].map(({ labels, members }) => {
      const points = times.map((t): Point => [t, join(members.map((member) => member.at(t)).filter((x): x is number => x !== null))]);
      return { labels, points, stats: statsOf(points) };
    }).sort((a, b) => (b.stats.last ?? 0) - (a.stats.last ?? 0));
    const limit = Number(params.get('limit') ?? 50);
    const rest = made.slice(limit);
    const others = rest.length === 0 ? null : { n: rest.length, points: times.map((t, i): Point => [t, rest.reduce((sum, one) => sum + (one.points[i]?.[1] ?? 0), 0)]) };
    return { metric: name, unit: (fn === 'rate' ? metric?.rateUnit : metric?.unit) ?? 'none', function: fn as RangeAnswer['function'], step_ms: step, resolution: '10s', from_ms: from, to_ms: to, provisional_from_ms: to > now - 40_000 ? now - 40_000 : null, total_series: made.length, series: made.slice(0, limit), others };
  }
}

export function moment(text: string | null, fallback: number, now: number): number {
  if (!text) return fallback;
  const relative = /^-(\d+)([smhd])$/.exec(text);
  if (relative) return now - Number(relative[1]) * ({ s: 1e3, m: 6e4, h: 36e5, d: 864e5 }[relative[2] ?? 's'] ?? 1e3);
  return /^\d+$/.test(text) ? Number(text) : Date.parse(text);
}

function stepOf(text: string | null, width: number): number {
  const given = /^(\d+)s$/.exec(text ?? '');
  if (given) return Number(given[1]) * 1000;
  return [10_000, 60_000, 300_000, 3_600_000].find((step) => width / step <= 400) ?? 3_600_000;
}
