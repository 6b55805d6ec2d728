// Series of a range query: read whole once, then only the tail, laid over it. Points stay outside reactivity:
// components see a new answer object, never its insides.
import { computed, onScopeDispose, ref, type Ref, shallowRef, type ShallowRef, watch } from 'vue';

import { type ApiError, get, type Query } from '../api/http';
import type { LabelSet, RangeAnswer } from '../api/types';
import type { Interval } from './moment';
import { mergeAnswers, mergePoints, seriesKey, statsOf } from './series';
import type { State } from './useCollection';
import { useLive } from './useLive';
import { useScope } from './useScope';
import { useTimeline } from './useTimeline';

export interface SeriesQuestion {
  match: string;
  function?: string | null;
  aggregate?: string;
  by?: readonly string[];
  step?: string | null;
  limit?: number;
}

export interface SeriesResult {
  state: Ref<State>;
  error: ShallowRef<ApiError | null>;
  answer: ShallowRef<RangeAnswer | null>;
  reload: () => void;
}

interface PointItem { ref: number; labels?: LabelSet; t: number; v: number | null; provisional: boolean }

/** Above this many series a chart reads its tail instead of following each series. */
const MOST_FOLLOWED = 100;
const FASTEST_MS = 2000;
/** The largest of many are read whole each time: which ones they are depends on the whole range. */
const FASTEST_WHOLE_MS = 5000;
const SLOWEST_MS = 30_000;

export function rangeRead(question: SeriesQuestion, from: number, to: number, step: string | null): Query {
  return {
    match: question.match,
    function: question.function ?? null,
    aggregate: question.aggregate ?? null,
    by: question.by ?? [],
    from: Math.round(from),
    to: Math.round(to),
    step: step ?? question.step ?? null,
    limit: question.limit ?? null,
  };
}

/** `fixed` replaces the page's range. */
export function useSeries(source: () => SeriesQuestion | null, fixed?: () => Interval | null): SeriesResult {
  const { range, isFollowing, intervalNow } = useScope();
  const timeline = useTimeline();
  const state = ref<State>('idle');
  const error = shallowRef<ApiError | null>(null);
  const answer = shallowRef<RangeAnswer | null>(null);
  const refs = new Map<number, string>();
  let abort: AbortController | null = null;
  let timer: ReturnType<typeof setTimeout> | null = null;
  let asked: SeriesQuestion | null = null;

  const windowNow = (): Interval => fixed?.() ?? intervalNow();
  const follows = (): boolean => isFollowing.value && !fixed?.();

  function schedule(): void {
    if (timer) clearTimeout(timer);
    const step = answer.value?.step_ms ?? 10_000;
    const fastest = answer.value?.others ? FASTEST_WHOLE_MS : FASTEST_MS;
    timer = setTimeout(() => void readTail(), Math.min(SLOWEST_MS, Math.max(fastest, step / 5)));
  }

  async function ask(from: number, to: number, step: string | null): Promise<RangeAnswer | null> {
    const question = asked;
    if (!question) return null;
    abort?.abort();
    abort = new AbortController();
    const mine = abort;
    try {
      const read = await get<RangeAnswer>('/query_range', rangeRead(question, from, to, step), mine.signal);
      if (mine.signal.aborted) return null;
      error.value = null;
      return read;
    } catch (cause) {
      if (mine.signal.aborted) return null;
      error.value = cause as ApiError;
      if (answer.value === null) state.value = 'error';
      return null;
    }
  }

  async function readWhole(): Promise<void> {
    if (!asked) return;
    if (answer.value === null) state.value = 'loading';
    const { from, to } = windowNow();
    const read = await ask(from, to, null);
    if (read) {
      answer.value = read;
      state.value = 'done';
    }
    if (follows()) schedule();
  }

  async function readTail(): Promise<void> {
    const whole = answer.value;
    if (document.hidden || timeline.isPaused) return schedule();
    if (!whole || whole.others) return readWhole();
    const { from, to } = windowNow();
    const start = Math.max(from, (whole.provisional_from_ms ?? whole.to_ms - whole.step_ms * 6) - whole.step_ms * 3);
    const read = await ask(start, to, `${Math.round(whole.step_ms / 1000)}s`);
    if (read) {
      const merged = mergeAnswers(answer.value ?? whole, read, from);
      if (!merged) return readWhole();
      answer.value = merged;
    }
    if (follows()) schedule();
  }

  function follow(items: PointItem[]): void {
    const whole = answer.value;
    const fresh = new Map<string, [number, number | null][]>();
    for (const item of items) {
      if (item.labels) refs.set(item.ref, seriesKey(item.labels));
      const key = refs.get(item.ref);
      if (key !== undefined) fresh.set(key, [...(fresh.get(key) ?? []), [item.t, item.v]]);
    }
    if (!whole || whole.step_ms !== 10_000) return;
    const { from, to } = windowNow();
    const series = whole.series.map((old) => {
      const points = fresh.get(seriesKey(old.labels));
      if (!points) return old;
      const merged = points.reduce((list, point) => mergePoints(list.filter((x) => x[0] !== point[0]), [point], from), old.points);
      return { ...old, points: merged, stats: statsOf(merged) };
    });
    answer.value = { ...whole, from_ms: from, to_ms: to, series };
  }

  const key = computed(() => JSON.stringify([source(), range.value, timeline.isPaused, fixed?.() ?? null]));
  watch(key, (text, before) => {
    if (timer) clearTimeout(timer);
    asked = source();
    refs.clear();
    const isOther = before === undefined || JSON.stringify((JSON.parse(before) as unknown[])[0]) !== JSON.stringify((JSON.parse(text) as unknown[])[0]);
    if (isOther) answer.value = null;
    if (asked === null) state.value = 'idle';
    else void readWhole();
  }, { immediate: true });

  useLive<PointItem>(() => {
    const question = source();
    const isPlain = question !== null && (question.aggregate ?? 'none') === 'none';
    const n = answer.value?.total_series ?? Infinity;
    // What is summed beside the largest is not followed, and would fall behind them.
    if (!isPlain || n > MOST_FOLLOWED || answer.value?.others || !follows()) return null;
    return {
      topic: 'metrics',
      filter: { match: question.match, function: answer.value?.function === 'by_kind' ? null : answer.value?.function },
      maxRate: 4,
      onItems: ({ items }) => follow(items),
      onGap: () => void readWhole(),
    };
  });

  onScopeDispose(() => {
    abort?.abort();
    if (timer) clearTimeout(timer);
  });
  return { state, error, answer, reload: () => void readWhole() };
}
