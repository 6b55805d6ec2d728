// The event stream, newest first: read by pages, new ones from the live connection.
// While the list is away from its top, new events wait and are counted.
import { computed, onScopeDispose, ref, shallowRef, watch } from 'vue';

import { type ApiError, get, type Query } from '../api/http';
import type { EventRow, Page } from '../api/types';
import type { State } from './useCollection';
import { useLive } from './useLive';
import { useScope } from './useScope';

const PAGE = 200;
const MOST = 20_000;

/** Newer occurrences replace older rows of the same event; newest first. */
export function mergeEvents(rows: readonly EventRow[], fresh: readonly EventRow[]): EventRow[] {
  const replaced = new Set(fresh.map((row) => row.id));
  const merged = [...new Map(fresh.map((row) => [row.id, row])).values(), ...rows.filter((row) => !replaced.has(row.id))];
  return merged.sort((a, b) => (a.last_seen < b.last_seen ? 1 : a.last_seen > b.last_seen ? -1 : 0)).slice(0, MOST);
}

export function useEvents(query: () => Query) {
  const { isFollowing, rangeQuery } = useScope();
  const rows = shallowRef<readonly EventRow[]>([]);
  const state = ref<State>('loading');
  const error = shallowRef<ApiError | null>(null);
  const waiting = shallowRef<readonly EventRow[]>([]);
  const isAtTop = ref(true);
  const token = ref<string | null>(null);
  let abort: AbortController | null = null;
  let isReading = false;

  async function read(): Promise<void> {
    abort?.abort();
    const mine = (abort = new AbortController());
    try {
      const page = await get<Page<EventRow>>('/events', { ...query(), ...rangeQuery.value, order: 'desc', limit: PAGE }, mine.signal);
      rows.value = page.items;
      token.value = page.next_page_token;
      waiting.value = [];
      state.value = 'done';
      error.value = null;
    } catch (cause) {
      if (mine.signal.aborted) return;
      error.value = cause as ApiError;
      state.value = rows.value.length > 0 ? 'done' : 'error';
    }
  }

  async function readMore(): Promise<void> {
    if (isReading || token.value === null || rows.value.length >= MOST) return;
    isReading = true;
    try {
      const page = await get<Page<EventRow>>('/events', { ...query(), ...rangeQuery.value, order: 'desc', limit: PAGE, page_token: token.value });
      rows.value = mergeEvents(rows.value, page.items);
      token.value = page.next_page_token;
    } catch (cause) {
      error.value = cause as ApiError;
    } finally {
      isReading = false;
    }
  }

  function showWaiting(): void {
    rows.value = mergeEvents(rows.value, waiting.value);
    waiting.value = [];
  }

  const key = computed(() => JSON.stringify([query(), rangeQuery.value]));
  watch(key, (next, before) => {
    if (before !== undefined && next !== before) state.value = rows.value.length > 0 ? 'done' : 'loading';
    void read();
  }, { immediate: true });
  watch(isAtTop, (top) => { if (top && waiting.value.length > 0) showWaiting(); });

  useLive<EventRow>(() => (isFollowing.value ? {
    topic: 'events',
    filter: query(),
    maxRate: 4,
    onItems: ({ items }) => {
      if (isAtTop.value) rows.value = mergeEvents(rows.value, items);
      else waiting.value = mergeEvents(waiting.value, items);
    },
    onGap: () => void read(),
  } : null));
  onScopeDispose(() => abort?.abort());
  return { rows, state, error, waiting, isAtTop, readMore, showWaiting, reload: () => void read() };
}
