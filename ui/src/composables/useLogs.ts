// Log lines, oldest first as in a terminal: the newest page is read, older ones on scrolling up, new ones arrive at the end.
// While the tail is held, new lines wait and are counted; what does not fit is dropped and counted, too.
import { computed, onScopeDispose, ref, shallowRef, watch } from 'vue';

import { type ApiError, get, type Query } from '../api/http';
import type { LogRow, Page } from '../api/types';
import type { State } from './useCollection';
import { useLive } from './useLive';
import { useScope } from './useScope';

const PAGE = 500;
const MOST_LINES = 20_000;
const MOST_WAITING = 5000;

const byTime = (a: LogRow, b: LogRow): number => (a.timestamp < b.timestamp ? -1 : a.timestamp > b.timestamp ? 1 : 0);

/** New lines behind the old ones, without those that are there already; at most `limit`, the newest kept. */
export function appendLines(lines: readonly LogRow[], fresh: readonly LogRow[], limit: number): LogRow[] {
  const tail = new Set(lines.slice(-fresh.length - PAGE).map((line) => line.id));
  const added = fresh.filter((line) => !tail.has(line.id)).sort(byTime);
  const first = added[0];
  if (first === undefined) return lines as LogRow[];
  const merged = [...lines, ...added];
  // Containers are read one after another: a line may come later than younger ones of its neighbours.
  const last = lines.at(-1);
  if (last && first.timestamp < last.timestamp) merged.sort(byTime);
  return merged.length > limit ? merged.slice(merged.length - limit) : merged;
}

export function useLogs(query: () => Query) {
  const { isFollowing, rangeQuery } = useScope();
  const lines = shallowRef<readonly LogRow[]>([]);
  const state = ref<State>('loading');
  const error = shallowRef<ApiError | null>(null);
  const waiting = shallowRef<readonly LogRow[]>([]);
  const isHeld = ref(false);
  const nMissed = ref(0);
  const token = ref<string | null>(null);
  const isReadingOlder = ref(false);
  let abort: AbortController | null = null;

  async function read(): Promise<void> {
    abort?.abort();
    const mine = (abort = new AbortController());
    try {
      const page = await get<Page<LogRow>>('/logs', { ...query(), ...rangeQuery.value, order: 'desc', limit: PAGE }, mine.signal);
      lines.value = page.items.reverse().sort(byTime);
      token.value = page.next_page_token;
      waiting.value = [];
      nMissed.value = 0;
      state.value = 'done';
      error.value = null;
    } catch (cause) {
      if (mine.signal.aborted) return;
      error.value = cause as ApiError;
      state.value = lines.value.length > 0 ? 'done' : 'error';
    }
  }

  async function readOlder(): Promise<void> {
    if (isReadingOlder.value || token.value === null || lines.value.length >= MOST_LINES) return;
    isReadingOlder.value = true;
    try {
      const page = await get<Page<LogRow>>('/logs', { ...query(), ...rangeQuery.value, order: 'desc', limit: PAGE, page_token: token.value });
      lines.value = [...page.items.reverse().sort(byTime), ...lines.value];
      token.value = page.next_page_token;
    } catch (cause) {
      error.value = cause as ApiError;
    } finally {
      isReadingOlder.value = false;
    }
  }

  function release(): void {
    lines.value = appendLines(lines.value, waiting.value, MOST_LINES);
    waiting.value = [];
  }
  watch(isHeld, (held) => { if (!held) release(); });

  const key = computed(() => JSON.stringify([query(), rangeQuery.value]));
  watch(key, () => void read(), { immediate: true });
  useLive<LogRow>(() => (isFollowing.value ? {
    topic: 'logs',
    filter: query(),
    onItems: ({ items }) => {
      if (!isHeld.value) lines.value = appendLines(lines.value, items, MOST_LINES);
      else waiting.value = appendLines(waiting.value, items, MOST_WAITING);
    },
    onGap: (missed) => {
      if (missed === null) void read();
      else nMissed.value += missed;
    },
  } : null));
  onScopeDispose(() => abort?.abort());
  const hasOlder = computed(() => token.value !== null);
  return { lines, state, error, waiting, isHeld, nMissed, hasOlder, isReadingOlder, readOlder, reload: () => void read() };
}
