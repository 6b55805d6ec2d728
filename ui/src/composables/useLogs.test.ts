import { describe, expect, it } from 'vitest';

import type { LogRow } from '../api/types';
import { appendLines } from './useLogs';

const line = (id: string, second: number): LogRow => ({
  id, timestamp: new Date(second * 1000).toISOString(), cluster: '', namespace: '', workload_kind: '', workload: '', pod: '', container: '', node: '', severity: 'info', body: id,
});
const ids = (lines: readonly LogRow[]): string => lines.map((one) => one.id).join('');

describe('useLogs', () => {
  it('appends without doubling', () => {
    expect(ids(appendLines([line('a', 1), line('b', 2)], [line('b', 2), line('c', 3)], 10))).toBe('abc');
  });

  it('sorts lines that come late into their place', () => {
    expect(ids(appendLines([line('a', 1), line('c', 3)], [line('d', 4), line('b', 2)], 10))).toBe('abcd');
    expect(ids(appendLines([line('a', 1)], [line('c', 3), line('b', 2)], 10))).toBe('abc');
  });

  it('keeps the newest when there are too many', () => {
    expect(ids(appendLines([line('a', 1), line('b', 2)], [line('c', 3)], 2))).toBe('bc');
  });
});
