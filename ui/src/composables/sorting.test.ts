import { describe, expect, it } from 'vitest';

import { nextSort, parseSort, sorted } from './sorting';

describe('sorting', () => {
  const rows = [{ n: 'b', v: 2 }, { n: 'a', v: 2 }, { n: 'c', v: null }, { n: 'd', v: 9 }];
  const names = (isDescending: boolean): string => sorted(rows, (row) => row.v, isDescending, (row) => row.n).map((row) => row.n).join('');

  it('keeps absent values at the end in both directions', () => {
    expect(names(false)).toBe('abdc');
    expect(names(true)).toBe('dabc');
  });

  it('starts numbers with the largest and turns on the second click', () => {
    expect(nextSort('name', 'cpu', true)).toBe('-cpu');
    expect(nextSort('-cpu', 'cpu', true)).toBe('cpu');
    expect(nextSort('-cpu', 'name', false)).toBe('name');
    expect(parseSort('-cpu')).toEqual({ key: 'cpu', isDescending: true });
  });
});
