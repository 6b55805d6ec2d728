// The last quarter of an hour of the rows in sight, read in one question per resource and kept for a minute.
import { onScopeDispose, shallowRef } from 'vue';

import { get } from '../api/http';
import type { LabelSet, RangeAnswer } from '../api/types';
import { type Matcher, oneOf, selectorText } from './selector';
import { useTimeline } from './useTimeline';
import type { TreeRow } from './workloadTree';

export interface Spark { cpu: (number | null)[]; memory: (number | null)[]; at: number }

const SPAN_MS = 15 * 60_000;
const STEP_MS = 30_000;
const FRESH_MS = 60_000;
const MOST_NAMES = 80;
const WAIT_MS = 250;
const METRICS = { cpu: 'pod_cpu_usage_seconds_total', memory: 'pod_memory_working_set_bytes' } as const;

const podKey = (labels: LabelSet): string => `pod/${labels.cluster ?? ''}/${labels.namespace ?? ''}//${labels.pod ?? ''}`;
const workloadKey = (labels: LabelSet): string => `workload/${labels.cluster ?? ''}/${labels.namespace ?? ''}/${labels.workload_kind ?? ''}/${labels.workload ?? ''}`;

export function useSparks() {
  const timeline = useTimeline();
  const sparks = shallowRef<ReadonlyMap<string, Spark>>(new Map());
  let wanted: readonly TreeRow[] = [];
  let timer: ReturnType<typeof setTimeout> | null = null;
  let isGone = false;

  async function read(resource: 'cpu' | 'memory', rows: readonly TreeRow[], isPod: boolean, to: number): Promise<Map<string, (number | null)[]>> {
    const names = [...new Set(rows.map((row) => row.name))].slice(0, MOST_NAMES);
    const label = isPod ? 'pod' : 'workload';
    const matchers: Matcher[] = [
      { label: 'namespace', op: '=~', value: oneOf([...new Set(rows.map((row) => row.namespace))]) },
      { label, op: '=~', value: oneOf(names) },
    ];
    const by = isPod ? ['cluster', 'namespace', 'pod'] : ['cluster', 'namespace', 'workload_kind', 'workload'];
    const from = to - SPAN_MS;
    const answer = await get<RangeAnswer>('/query_range', { match: selectorText(METRICS[resource], matchers), aggregate: 'sum', by, from, to, step: '30s', limit: 500 });
    const found = new Map<string, (number | null)[]>();
    for (const series of answer.series) {
      const points = new Array<number | null>(SPAN_MS / STEP_MS).fill(null);
      for (const [time, value] of series.points) {
        const i = Math.floor((time - from) / STEP_MS);
        if (i >= 0 && i < points.length) points[i] = value;
      }
      found.set((isPod ? podKey : workloadKey)(series.labels), points);
    }
    return found;
  }

  async function readKind(rows: readonly TreeRow[], isPod: boolean, to: number): Promise<void> {
    if (rows.length === 0) return;
    try {
      const [cpu, memory] = await Promise.all([read('cpu', rows, isPod, to), read('memory', rows, isPod, to)]);
      if (isGone) return;
      const next = new Map(sparks.value);
      for (const row of rows) next.set(row.key, { cpu: cpu.get(row.key) ?? [], memory: memory.get(row.key) ?? [], at: Date.now() });
      sparks.value = next;
    } catch {
      // A table without sparklines is still a table; the next row in sight asks again.
    }
  }

  function readWanted(): void {
    timer = null;
    const old = Date.now() - FRESH_MS;
    const stale = wanted.filter((row) => (sparks.value.get(row.key)?.at ?? 0) < old);
    const to = Math.floor(timeline.now / STEP_MS) * STEP_MS;
    void readKind(stale.filter((row) => row.pod !== null), true, to);
    void readKind(stale.filter((row) => row.workload !== null), false, to);
  }

  function want(rows: readonly TreeRow[]): void {
    wanted = rows;
    // Only where scrolling comes to rest.
    if (timer) clearTimeout(timer);
    timer = setTimeout(readWanted, WAIT_MS);
  }

  onScopeDispose(() => {
    isGone = true;
    if (timer) clearTimeout(timer);
  });
  return { sparks, want };
}
