// Where and when the page looks: cluster, namespaces and the one time range, all from the address.
import { computed } from 'vue';
import type { LocationQueryRaw } from 'vue-router';

import type { Query } from '../api/http';
import { DEFAULT_SPAN, type Interval, intervalOf, parseRange, spanText, steppedRange, type TimeRange } from './moment';
import { useAddress } from './useAddress';
import { useTimeline } from './useTimeline';

/** Ranges left by zooming in, so that a double click can return to them. */
const left: TimeRange[] = [];

const KEYS = ['cluster', 'ns', 'range', 'from', 'to'];

export function useScope() {
  const { route, set, param, list } = useAddress();
  const timeline = useTimeline();
  const cluster = param('cluster');
  const namespaces = list('ns');

  const text = (name: string): string | null => {
    const value = route.query[name];
    return typeof value === 'string' ? value : null;
  };
  const range = computed<TimeRange>(() => parseRange({ range: text('range'), from: text('from'), to: text('to') }));
  const isFollowing = computed(() => range.value.span !== null && !timeline.isPaused);

  /** The range as times; reading it inside a computed makes that follow the clock. */
  const interval = computed<Interval>(() => intervalOf(range.value, timeline.now));
  const intervalNow = (): Interval => intervalOf(range.value, timeline.now);

  function setRange(next: TimeRange, isPushed = true): void {
    const iso = (time: number | null): string | null => (time === null ? null : new Date(time).toISOString());
    const span = next.span === null ? null : spanText(next.span);
    set({ range: span === DEFAULT_SPAN ? null : span, from: iso(next.from), to: iso(next.to) }, isPushed);
  }

  const zoom = (from: number, to: number): void => {
    left.push(range.value);
    setRange({ span: null, from: Math.round(from), to: Math.round(Math.max(to, from + 1000)) });
  };
  const unzoom = (): void => {
    const before = left.pop();
    if (before) setRange(before);
  };
  const step = (direction: -1 | 1): void => setRange(steppedRange(range.value, direction, timeline.now));

  /** For links to other pages: the scope goes along, the page's own filters do not. */
  const carried = computed<LocationQueryRaw>(() =>
    Object.fromEntries(KEYS.filter((key) => route.query[key] !== undefined).map((key) => [key, route.query[key] ?? null])),
  );
  /** The range as parameters; relative while it follows now, so that the same text always means the present. */
  const rangeQuery = computed<{ from: string; to: string | null }>(() => {
    const { span, from, to } = range.value;
    if (span !== null && !timeline.isPaused) return { from: `-${spanText(span)}`, to: null };
    const fixed = intervalOf({ span, from, to }, timeline.pausedAt ?? 0);
    return { from: new Date(fixed.from).toISOString(), to: new Date(fixed.to).toISOString() };
  });
  const filter = computed<Query>(() => ({ cluster: cluster.value || null, namespace: namespaces.value }));

  return { cluster, namespaces, range, interval, intervalNow, isFollowing, setRange, zoom, unzoom, step, carried, filter, rangeQuery };
}
