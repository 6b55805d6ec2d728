import { describe, expect, it } from 'vitest';

import type { Point, RangeAnswer } from '../api/types';
import { align, answerCsv, mergeAnswers, mergePoints, seriesNames, statsOf } from './series';

function answer(series: Record<string, Point[]>, others: RangeAnswer['others'] = null): RangeAnswer {
  return {
    metric: 'm', unit: 'none', function: 'value', step_ms: 10, resolution: '10s', from_ms: 0, to_ms: 100, provisional_from_ms: null,
    total_series: 1, others,
    series: Object.entries(series).map(([pod, points]) => ({ labels: { pod }, points, stats: statsOf(points) })),
  };
}

describe('series', () => {
  it('puts series on one axis', () => {
    expect(align([[[0, 1], [10, 2]], [[10, 5], [20, 6]]], 10)).toEqual({ times: [0, 0.01, 0.02], columns: [[1, 2, null], [null, 5, 6]] });
  });

  it('breaks the line at a hole and bridges what lies between two scrapes', () => {
    const times = (n: number): Point[] => Array.from({ length: n }, (_, i): Point => [i * 10_000, i === 0 || i === n - 1 ? i : null]);
    expect(align([times(6)], 10_000).columns).toEqual([[0, null, null, null, null, 5]]);
    expect(align([times(4)], 10_000).columns).toEqual([[0, undefined, undefined, 3]]);
    expect(align([[[0, 1], [240_000, 2]]], 60_000).columns).toEqual([[1, null, 2]]);
  });

  it('does not bridge the ends', () => {
    expect(align([[[0, null], [10_000, 1], [20_000, null]]], 10_000).columns).toEqual([[null, 1, null]]);
  });

  it('replaces provisional points and drops what left the range', () => {
    expect(mergePoints([[0, 1], [10, 2], [20, 3]], [[20, 4], [30, 5]], 10)).toEqual([[10, 2], [20, 4], [30, 5]]);
    expect(mergePoints([[0, 1]], [], 0)).toEqual([[0, 1]]);
  });

  it('keeps series that the tail does not have and adds new ones', () => {
    const merged = mergeAnswers(answer({ a: [[0, 1], [10, 1]], b: [[0, 9]] }), answer({ a: [[10, 2]], c: [[10, 7]] }), 0);
    expect(merged?.total_series).toBe(3);
    expect(merged?.series.map((series) => [series.labels.pod, series.points])).toEqual([
      ['a', [[0, 1], [10, 2]]], ['b', [[0, 9]]], ['c', [[10, 7]]],
    ]);
    expect(mergeAnswers(answer({ b: [[0, 9]] }), answer({}), 5)?.series).toEqual([]);
  });

  it('does not join the largest of two ranges: they are not the same series', () => {
    const others = { n: 46, points: [[0, 5]] as Point[] };
    expect(mergeAnswers(answer({ a: [[0, 1]] }, others), answer({ b: [[10, 2]] }, others), 0)).toBeNull();
    expect(mergeAnswers(answer({ a: [[0, 1]] }), answer({ b: [[10, 2]] }, others), 0)).toBeNull();
  });

  it('names series by the labels on which they differ', () => {
    expect(seriesNames([{ pod: 'a', ns: 'x' }, { pod: 'b', ns: 'x' }])).toEqual(['a', 'b']);
    expect(seriesNames([{ pod: 'a', ns: 'x' }])).toEqual(['x']);
    expect(seriesNames([{}])).toEqual(['(no label)']);
    expect(seriesNames([{ __name__: 'load1', node: 'a' }, { __name__: 'load5', node: 'a' }])).toEqual(['load1', 'load5']);
  });

  it('computes statistics over measured points only', () => {
    expect(statsOf([[0, null], [1, 2], [2, 4]])).toEqual({ last: 4, min: 2, max: 4, avg: 3 });
    expect(statsOf([[0, null]]).avg).toBeNull();
  });

  it('writes CSV with quoted names', () => {
    expect(answerCsv(answer({ 'a,b': [[0, 1]] }))).toBe('time,"pod=a,b"\n1970-01-01T00:00:00.000Z,1\n');
  });
});
