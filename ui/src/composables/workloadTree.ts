// Workloads with their pods beneath, as one flat list of rows that a virtual table can show.
import type { Amounts, PodRow, Usage, WorkloadRow } from '../api/types';
import { rowKey } from './useCollection';
import { type SortValue, sorted } from './sorting';
import { isProblemTone, podTone, type Tone, toneRank, workloadTone } from './status';

export interface TreeRow {
  key: string;
  depth: 1 | 2;
  kind: string;
  workload: WorkloadRow | null;
  pod: PodRow | null;
  cluster: string;
  namespace: string;
  name: string;
  tone: Tone;
  status: string;
  reason: string;
  ready: number;
  total: number;
  restarts: number;
  lastRestart: string | null;
  node: string;
  created: string | null;
  usage: Usage;
  /** `null`: nothing to unfold. */
  isOpen: boolean | null;
}

/** The sum of what was measured; absent only when nothing was. */
function added(all: readonly Amounts[]): Amounts {
  const sum = (key: keyof Amounts): number | null =>
    all.reduce<number | null>((total, amounts) => { const value = amounts[key]; return value === null ? total : (total ?? 0) + value; }, null);
  return { used: sum('used'), requested: sum('requested'), limit: all.every((amounts) => amounts.limit !== null) ? sum('limit') : null, allocatable: null };
}

export const addedUsage = (all: readonly Usage[]): Usage => ({ cpu: added(all.map((usage) => usage.cpu)), memory: added(all.map((usage) => usage.memory)) });

export function podRow(pod: PodRow, depth: 1 | 2): TreeRow {
  return {
    key: `pod/${rowKey(pod)}`, depth, kind: 'Pod', workload: null, pod,
    cluster: pod.cluster, namespace: pod.namespace, name: pod.name,
    tone: podTone(pod), status: pod.status, reason: pod.reason === pod.status ? '' : pod.reason,
    ready: pod.ready_containers, total: pod.total_containers, restarts: pod.n_restarts, lastRestart: pod.last_restart,
    node: pod.node, created: pod.created, usage: pod.usage, isOpen: null,
  };
}

function workloadRow(workload: WorkloadRow, pods: readonly PodRow[], isOpen: boolean): TreeRow {
  const nodes = new Set(pods.map((pod) => pod.node).filter((node) => node !== ''));
  return {
    key: `workload/${rowKey(workload)}`, depth: 1, kind: workload.kind, workload, pod: null,
    cluster: workload.cluster, namespace: workload.namespace, name: workload.name,
    tone: workloadTone(workload.status), status: workload.status, reason: workload.reason,
    ready: workload.ready, total: workload.desired, restarts: workload.n_restarts,
    lastRestart: pods.reduce<string | null>((last, pod) => (pod.last_restart !== null && (last === null || pod.last_restart > last) ? pod.last_restart : last), null),
    node: nodes.size === 1 ? ([...nodes][0] ?? '') : nodes.size === 0 ? '' : `${nodes.size} nodes`,
    created: workload.created, usage: pods.length > 0 ? addedUsage(pods.map((pod) => pod.usage)) : workload.usage,
    isOpen: pods.length > 0 ? isOpen : null,
  };
}

export const SORTS: Record<string, (row: TreeRow) => SortValue> = {
  name: (row) => row.name,
  namespace: (row) => `${row.namespace}/${row.name}`,
  status: (row) => toneRank(row.tone),
  ready: (row) => (row.total === 0 ? null : row.ready / row.total),
  restarts: (row) => row.restarts,
  cpu: (row) => row.usage.cpu.used,
  memory: (row) => row.usage.memory.used,
  node: (row) => row.node || null,
  age: (row) => row.created,
};

export interface TreeQuestion {
  words: readonly string[];
  onlyProblems: boolean;
  kinds: readonly string[];
  open: ReadonlySet<string>;
  sort: { key: string; isDescending: boolean };
}

const isProblem = (row: TreeRow): boolean => isProblemTone(row.tone);
const textOf = (row: TreeRow): string => `${row.name} ${row.namespace} ${row.status} ${row.reason} ${row.node} ${row.kind} ${row.pod?.workload ?? ''} ${row.pod?.pod_ip ?? ''}`.toLowerCase();
const hasAll = (row: TreeRow, words: readonly string[]): boolean => {
  if (words.length === 0) return true;
  const text = textOf(row);
  return words.every((word) => text.includes(word));
};
const order = (rows: readonly TreeRow[], { sort }: TreeQuestion): TreeRow[] => sorted(rows, SORTS[sort.key], sort.isDescending, (row) => `${row.namespace}/${row.name}`);

export function flatRows(pods: readonly PodRow[], question: TreeQuestion): TreeRow[] {
  const rows = pods.map((pod) => podRow(pod, 1)).filter((row) => (!question.onlyProblems || isProblem(row)) && hasAll(row, question.words));
  return order(rows, question);
}

export function treeRows(workloads: readonly WorkloadRow[], pods: readonly PodRow[], question: TreeQuestion): TreeRow[] {
  const inner = new Map<string, PodRow[]>();
  const known = new Set(workloads.map((workload) => rowKey(workload)));
  const bare: PodRow[] = [];
  for (const pod of pods) {
    const key = rowKey({ cluster: pod.cluster, namespace: pod.namespace, kind: pod.workload_kind, name: pod.workload });
    if (!known.has(key)) bare.push(pod);
    else if (inner.has(key)) inner.get(key)?.push(pod);
    else inner.set(key, [pod]);
  }
  const isNarrowed = question.words.length > 0 || question.onlyProblems;
  const top: { row: TreeRow; pods: TreeRow[] }[] = [];
  for (const workload of workloads) {
    if (question.kinds.length > 0 && !question.kinds.includes(workload.kind)) continue;
    const own = inner.get(rowKey(workload)) ?? [];
    const row = workloadRow(workload, own, question.open.has(rowKey(workload)));
    const matches = hasAll(row, question.words) && (!question.onlyProblems || isProblem(row));
    const found = own.map((pod) => podRow(pod, 2)).filter((pod) => (matches && !question.onlyProblems) || (hasAll(pod, question.words) && (!question.onlyProblems || isProblem(pod))));
    if (isNarrowed && !matches && found.length === 0) continue;
    // A search that only pods answer unfolds them.
    if (isNarrowed && !matches && row.isOpen === false) row.isOpen = true;
    top.push({ row, pods: row.isOpen ? found : [] });
  }
  if (question.kinds.length === 0) {
    for (const pod of bare) {
      const row = podRow(pod, 1);
      if ((!question.onlyProblems || isProblem(row)) && hasAll(row, question.words)) top.push({ row, pods: [] });
    }
  }
  const inside = new Map(top.map((entry) => [entry.row.key, entry.pods]));
  return order(top.map((entry) => entry.row), question).flatMap((row) => [row, ...order(inside.get(row.key) ?? [], question)]);
}
