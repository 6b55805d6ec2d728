// All objects of one kind in the scope: read once page by page, then kept current by the live connection.
// Rows live in a plain Map; Vue only sees a new array when something changed.
import { computed, effectScope, type EffectScope, onScopeDispose, ref, type Ref, shallowRef, type ShallowRef, watch } from 'vue';

import { type ApiError, get, type Query } from '../api/http';
import type { NodeRow, Page, PodRow, Usage, WorkloadRow } from '../api/types';
import { useLive } from './useLive';
import { useScope } from './useScope';

export type State = 'idle' | 'loading' | 'done' | 'error';

export interface Collection<T> {
  rows: ShallowRef<readonly T[]>;
  state: Ref<State>;
  error: ShallowRef<ApiError | null>;
  /** More objects exist than are kept here. */
  isPartial: Ref<boolean>;
  reload: () => void;
}

interface Row { cluster: string; namespace?: string; name: string; kind?: string; usage: Usage }
interface ObjectItem<T> { op: 'upsert' | 'delete'; kind: string; row: T }
interface UsageItem { kind: string; cluster: string; namespace: string; name: string; cpu: number | null; memory: number | null }

const PAGE_ROWS = 5000;
/** More rows than this are no longer one table; the page says so and asks for a filter. */
const MOST_ROWS = 50_000;
/** Usage of ten thousand pods arrives every few seconds; the table is sorted anew at most this often. */
const REFRESH_MS = 1000;
/** How long the first read waits for the live connection. */
const CONNECT_MS = 300;

interface Spec { path: string; kinds: string[]; usageKind: string | null }

export const WORKLOAD_KINDS = ['Deployment', 'StatefulSet', 'DaemonSet', 'Job', 'CronJob', 'ReplicaSet'];
const SPECS = {
  pods: { path: '/pods', kinds: ['Pod'], usageKind: 'Pod' },
  nodes: { path: '/nodes', kinds: ['Node'], usageKind: 'Node' },
  workloads: { path: '/workloads', kinds: WORKLOAD_KINDS, usageKind: null },
} satisfies Record<string, Spec>;

export const rowKey = (row: { cluster: string; namespace?: string; name: string; kind?: string }): string =>
  `${row.cluster}/${row.namespace ?? ''}/${row.kind ?? ''}/${row.name}`;

function open<T extends Row>(spec: Spec, filter: Query): Collection<T> {
  const kept = new Map<string, T>();
  const rows = shallowRef<readonly T[]>([]);
  const state = ref<State>('loading');
  const error = shallowRef<ApiError | null>(null);
  const isPartial = ref(false);
  let waiting: ObjectItem<T>[] | null = [];
  let timer: ReturnType<typeof setTimeout> | null = null;
  let round = 0;
  let isCovered = false;

  function show(): void {
    timer = null;
    rows.value = [...kept.values()];
  }
  const showSoon = (wait: number): void => { timer ??= setTimeout(show, wait); };

  function applyObject(item: ObjectItem<T>): void {
    const key = rowKey(item.row);
    if (item.op === 'delete') kept.delete(key);
    else kept.set(key, item.row);
  }

  async function load(): Promise<void> {
    const mine = ++round;
    waiting = [];
    try {
      const read: T[] = [];
      let token: string | null = null;
      do {
        const page: Page<T> = await get<Page<T>>(spec.path, { ...filter, limit: PAGE_ROWS, page_token: token });
        if (mine !== round) return;
        read.push(...page.items);
        token = page.next_page_token;
      } while (token && read.length < MOST_ROWS);
      isPartial.value = token !== null;
      kept.clear();
      for (const row of read) kept.set(rowKey(row), row);
      for (const item of waiting) applyObject(item);
      waiting = null;
      state.value = 'done';
      error.value = null;
      show();
    } catch (cause) {
      if (mine !== round) return;
      error.value = cause as ApiError;
      state.value = kept.size > 0 ? 'done' : 'error';
    }
  }

  const live = { clusters: filter.cluster ? [filter.cluster] : [], namespaces: filter.namespace ?? [] };
  useLive<ObjectItem<T>>(() => ({
    topic: 'objects',
    filter: { kinds: spec.kinds, ...live },
    onItems: ({ items }) => {
      if (waiting) waiting.push(...items);
      for (const item of items) applyObject(item);
      if (state.value === 'done') showSoon(0);
    },
    onGap: () => void load(),
    // Read only once nothing can be missed any more; without a connection, read anyway.
    onReady: () => {
      if (!isCovered) void load();
      isCovered = true;
    },
  }));
  useLive<UsageItem>(() => spec.usageKind === null ? null : ({
    topic: 'usage',
    filter: live,
    maxRate: 2,
    onItems: ({ items }) => {
      for (const item of items) {
        if (item.kind !== spec.usageKind) continue;
        const key = rowKey({ cluster: item.cluster, namespace: item.namespace, name: item.name });
        const row = kept.get(key);
        if (!row) continue;
        const { cpu, memory } = row.usage;
        kept.set(key, { ...row, usage: { cpu: { ...cpu, used: item.cpu }, memory: { ...memory, used: item.memory } } });
      }
      showSoon(REFRESH_MS);
    },
  }));
  const fallback = setTimeout(() => { if (round === 0) void load(); }, CONNECT_MS);
  onScopeDispose(() => {
    round += 1;
    clearTimeout(fallback);
    if (timer) clearTimeout(timer);
  });
  return { rows, state, error, isPartial, reload: () => void load() };
}

interface Shared { collection: Collection<Row>; scope: EffectScope; users: number; timer: ReturnType<typeof setTimeout> | null }
const shared = new Map<string, Shared>();
const GRACE_MS = 15_000;

function acquire(name: keyof typeof SPECS, filter: Query): [string, Collection<Row>] {
  const key = JSON.stringify([name, filter]);
  let entry = shared.get(key);
  if (!entry) {
    const scope = effectScope(true);
    const collection = scope.run(() => open<Row>(SPECS[name], filter));
    if (!collection) throw new Error('the scope was closed');
    entry = { collection, scope, users: 0, timer: null };
    shared.set(key, entry);
  }
  if (entry.timer) clearTimeout(entry.timer);
  entry.timer = null;
  entry.users += 1;
  return [key, entry.collection];
}

function release(key: string): void {
  const entry = shared.get(key);
  if (!entry) return;
  entry.users -= 1;
  if (entry.users > 0) return;
  entry.timer = setTimeout(() => {
    entry.scope.stop();
    shared.delete(key);
  }, GRACE_MS);
}

/** One collection for all who ask for the same kind in the same scope; `filter` replaces the page's scope. */
function useCollection<T extends Row>(name: keyof typeof SPECS, filter?: () => Query | null): Collection<T> {
  const { filter: scope } = useScope();
  const wanted = computed(() => {
    const base = filter ? filter() : scope.value;
    if (base === null) return null;
    const { cluster, namespace } = base;
    return JSON.stringify(name === 'nodes' ? { cluster: cluster ?? null } : { cluster: cluster ?? null, namespace: namespace ?? [] });
  });
  const current = shallowRef<Collection<Row> | null>(null);
  let key: string | null = null;
  watch(wanted, (text) => {
    const old = key;
    [key, current.value] = text === null ? [null, null] : acquire(name, JSON.parse(text) as Query);
    if (old !== null) release(old);
  }, { immediate: true });
  onScopeDispose(() => { if (key !== null) release(key); });
  return {
    rows: computed(() => (current.value?.rows.value ?? []) as unknown as readonly T[]) as unknown as ShallowRef<readonly T[]>,
    state: computed(() => current.value?.state.value ?? 'idle') as unknown as Ref<State>,
    error: computed(() => current.value?.error.value ?? null) as unknown as ShallowRef<ApiError | null>,
    isPartial: computed(() => current.value?.isPartial.value ?? false) as unknown as Ref<boolean>,
    reload: () => current.value?.reload(),
  };
}

export const usePods = (filter?: () => Query | null): Collection<PodRow> => useCollection<PodRow>('pods', filter);
export const useNodes = (filter?: () => Query | null): Collection<NodeRow> => useCollection<NodeRow>('nodes', filter);
export const useWorkloads = (filter?: () => Query | null): Collection<WorkloadRow> => useCollection<WorkloadRow>('workloads', filter);
