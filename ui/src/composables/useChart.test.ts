import { describe, expect, it } from 'vitest';

import type { Point, RangeAnswer } from '../api/types';
import { chartData, withProvisional } from './useChart';
import { statsOf } from './series';

function answer(names: string[], others: RangeAnswer['others'] = null): RangeAnswer {
  const points: Point[] = [[0, 1], [10_000, 2]];
  return {
    metric: 'm', unit: 'none', function: 'value', step_ms: 10_000, resolution: '10s', from_ms: 0, to_ms: 10_000, provisional_from_ms: null, total_series: names.length, others,
    series: names.map((pod) => ({ labels: { pod }, points, stats: statsOf(points) })),
  };
}

describe('useChart', () => {
  it('keeps a series’ colour and place when the order of the answer changes', () => {
    const colours = new Map<string, number>();
    chartData(answer(['a', 'b']), colours);
    expect(chartData(answer(['b', 'c', 'a']), colours).lines.map((line) => [line.key, line.index])).toEqual([['pod=a', 0], ['pod=b', 1], ['pod=c', 2]]);
  });

  it('gives the colour of a series that is gone to the next new one', () => {
    const colours = new Map<string, number>();
    chartData(answer(['a', 'b']), colours);
    expect(chartData(answer(['b', 'c']), colours).lines.map((line) => [line.key, line.index])).toEqual([['pod=c', 0], ['pod=b', 1]]);
  });

  it('adds the summed rest as a line of its own', () => {
    const { lines } = chartData(answer(['a'], { n: 37, points: [[0, 5]] }), new Map());
    expect(lines.map((line) => line.name)).toEqual(['a', 'and 37 others, summed']);
  });

  it('joins the provisional tail to the last final point', () => {
    const aligned = { times: [0, 10, 20, 30], columns: [[1, 2, 3, 4]] };
    expect(withProvisional(aligned, 20_000)).toEqual([[1, 2, 3, null], [null, null, 3, 4]]);
    expect(withProvisional(aligned, null)).toEqual([[1, 2, 3, 4], [null, null, null, null]]);
  });
});
