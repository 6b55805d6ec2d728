import { mount } from '@vue/test-utils';
import { describe, expect, it } from 'vitest';

import { unitOf } from '../../composables/quantity';
import type { ChartLine } from '../../composables/useChart';
import MetricLegend from './MetricLegend.vue';

const line = (key: string, last: number, isOthers = false): ChartLine => ({ key, name: key, labels: {}, index: 0, isOthers, stats: { last, min: last, max: last, avg: last } });
const legend = (hidden: string[] = []) =>
  mount(MetricLegend, { props: { lines: [line('a', 1), line('b', 5), line('others', 99, true)], hidden: new Set(hidden), unit: unitOf('none') } });

describe('MetricLegend', () => {
  it('puts the largest last value first and the summed rest at the end', () => {
    expect(legend().findAll('tbody button').map((button) => button.text())).toEqual(['b', 'a', 'others']);
  });

  it('isolates on click, shows all on the second', async () => {
    const shown = legend();
    await shown.findAll('tbody button')[0]?.trigger('click');
    expect(shown.emitted('change')?.[0]?.[0]).toEqual(new Set(['a', 'others']));
    const isolated = legend(['a', 'others']);
    await isolated.findAll('tbody button')[0]?.trigger('click');
    expect(isolated.emitted('change')?.[0]?.[0]).toEqual(new Set());
  });

  it('toggles one with the command key', async () => {
    const shown = legend(['a']);
    await shown.findAll('tbody button')[1]?.trigger('click', { metaKey: true });
    expect(shown.emitted('change')?.[0]?.[0]).toEqual(new Set());
  });
});
