// What the explorer asks, all of it in the address: selector, function, aggregation, grouping, number of series.
import { computed } from 'vue';

import type { MetricRow, Page } from '../api/types';
import { type Matcher, parseSelector, scopeMatchers, selectorText } from './selector';
import { useAddress } from './useAddress';
import { useRead } from './useRead';
import { useScope } from './useScope';
import type { SeriesQuestion } from './useSeries';

export const FUNCTIONS = ['value', 'rate', 'increase', 'avg', 'min', 'max', 'p50', 'p90', 'p95', 'p99'];
export const AGGREGATES = ['none', 'sum', 'avg', 'min', 'max', 'count'];

export function useExplorer() {
  const { param, list, set } = useAddress();
  const { cluster, namespaces } = useScope();
  const match = param('match');
  const functionName = param('function');
  const aggregate = param('aggregate', 'none');
  const by = list('by');
  const limit = param('limit', '10');
  const view = param('view', 'chart');
  const selector = computed(() => parseSelector(match.value));
  /** A metric, or several that a selector without a name chooses. */
  const isChosen = computed(() => selector.value.name !== '' || selector.value.matchers.length > 0);
  const title = computed(() => selector.value.name || selectorText('', selector.value.matchers));

  const metrics = useRead<Page<MetricRow>>(() => ({ path: '/metrics', query: { limit: 5000 } }), () => 30);
  const metric = computed(() => metrics.data.value?.items.find((row) => row.name === selector.value.name) ?? null);
  const labels = useRead<{ items: string[] }>(() => (isChosen.value ? { path: '/metrics/labels', query: { match: selector.value.name || match.value } } : null));
  const labelNames = computed(() => (labels.data.value?.items ?? []).filter((label) => label !== '__name__'));

  /** The page's scope narrows only metrics that have its labels. */
  const scoped = computed<Matcher[]>(() => scopeMatchers(cluster.value, namespaces.value)
    .filter((matcher) => labelNames.value.includes(matcher.label) && !selector.value.matchers.some((own) => own.label === matcher.label)));
  const fullMatch = computed(() => selectorText(selector.value.name, [...selector.value.matchers, ...scoped.value]));
  const question = computed<SeriesQuestion | null>(() => (!isChosen.value ? null : {
    match: fullMatch.value,
    function: functionName.value || null,
    aggregate: aggregate.value,
    by: aggregate.value === 'none' ? [] : by.value,
    limit: Number(limit.value) || 10,
  }));

  function choose(name: string): void {
    if (name === selector.value.name) return;
    set({ match: name, function: null, aggregate: null, by: null }, true);
  }
  const setMatchers = (matchers: readonly Matcher[]): void => set({ match: selectorText(selector.value.name, matchers) });
  function setBy(names: string[]): void {
    set({ by: names, ...(names.length > 0 && aggregate.value === 'none' ? { aggregate: 'sum' } : {}) });
  }
  return { selector, isChosen, title, metrics, metric, labelNames, scoped, fullMatch, question, functionName, aggregate, by, limit, view, choose, setMatchers, setBy };
}
