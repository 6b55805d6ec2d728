// The WebSocket of the mock: hello, subscriptions, data with seq.
import type { WebSocket } from 'ws';

import type { LogRow } from '../../src/api/types';
import type { MockApi } from './routes';
import { EVENT_STEP, eventAt, LOG_STEP, logAt, pipelineAt } from './stream';

interface Message { type: string; id: string; topic: string; filter: Record<string, unknown> & { kinds?: string[]; match?: string; namespace?: string[]; severity?: string[]; q?: string } }

function nextItems(api: MockApi, message: Message, now: number, before: number): unknown[] {
  const { cluster } = api;
  const { topic, filter } = message;
  const between = (step: number): number[] => {
    const found: number[] = [];
    for (let i = Math.floor(before / step) + 1; i <= Math.floor(now / step); i += 1) found.push(i);
    return found;
  };
  const has = (list: unknown, value: string): boolean => !Array.isArray(list) || list.length === 0 || list.includes(value);
  if (topic === 'pipeline') return [pipelineAt(now)];
  if (topic === 'events') return between(EVENT_STEP).map((i) => eventAt(cluster, i)).filter((row) => has(filter.severity, row.severity) && has(filter.namespace, row.namespace));
  if (topic === 'logs') return between(LOG_STEP).map((i): LogRow => logAt(cluster, i)).filter((row) => has(filter.severity, row.severity) && has(filter.namespace, row.namespace) && (!filter.q || row.body.includes(filter.q)) && has(filter.pod, row.pod) && has(filter.workload, row.workload) && has(filter.container, row.container));
  if (topic === 'usage') {
    const pods = cluster.pods.filter((pod) => cluster.runs(pod)).map((pod) => ({ kind: 'Pod', cluster: pod.row.cluster, namespace: pod.row.namespace, name: pod.row.name, cpu: cluster.cpuAt(pod, now), memory: cluster.memoryAt(pod, now), t: now - 900 }));
    const nodes = cluster.nodeRows(now).map((node) => ({ kind: 'Node', cluster: node.cluster, namespace: '', name: node.name, cpu: node.usage.cpu.used, memory: node.usage.memory.used, t: now - 900 }));
    return Math.floor(now / 5000) === Math.floor(before / 5000) ? [] : [...pods, ...nodes];
  }
  if (topic === 'objects' && has(filter.kinds, 'Pod')) {
    if (Math.floor(now / 15_000) === Math.floor(before / 15_000)) return [];
    const pod = cluster.pods.find((one) => one.fault === 'crash');
    if (!pod) return [];
    pod.row.n_restarts += 1;
    pod.row.last_restart = new Date(now).toISOString();
    return [{ op: 'upsert', kind: 'Pod', row: { ...pod.row, usage: cluster.usageOf(pod, now) } }];
  }
  return [];
}

export function serveSocket(api: MockApi, socket: WebSocket): void {
  const subscriptions = new Map<string, { message: Message; seq: number; before: number }>();
  const send = (message: object): void => socket.send(JSON.stringify(message));
  send({ type: 'hello', protocol: 'sentinel.v1', session: String(Date.now()), server_time_ms: Date.now(), topics: [], is_simulated: true, ping_interval_ms: 20_000 });
  socket.on('message', (data) => {
    const message = JSON.parse((data as Buffer).toString()) as Message;
    if (message.type === 'subscribe') {
      subscriptions.set(message.id, { message, seq: 0, before: Date.now() });
      send({ type: 'subscribed', id: message.id, seq: 0, resumed: false });
    }
    if (message.type === 'unsubscribe') subscriptions.delete(message.id);
    if (message.type === 'ping') send({ type: 'pong', time_ms: Date.now() });
  });
  const timer = setInterval(() => {
    const now = Date.now();
    for (const [id, subscription] of subscriptions) {
      const items = nextItems(api, subscription.message, now, subscription.before);
      subscription.before = now;
      if (items.length > 0) send({ type: 'data', id, seq: ++subscription.seq, time_ms: now, dropped: 0, items });
    }
  }, 1000);
  socket.on('close', () => clearInterval(timer));
}
