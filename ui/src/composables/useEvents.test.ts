import { describe, expect, it } from 'vitest';

import type { EventRow } from '../api/types';
import { mergeEvents } from './useEvents';

const event = (id: string, second: number, count = 1): EventRow => ({
  id, cluster: 'c', namespace: 'n', type: 'Warning', severity: 'warning', reason: 'BackOff', message: '', object_kind: 'Pod', object_name: 'p', workload_kind: '', workload: '', node: '', reporter: '', count, first_seen: null,
  last_seen: new Date(second * 1000).toISOString(),
});

describe('useEvents', () => {
  it('moves an event that happened again to the top instead of doubling it', () => {
    const rows = mergeEvents([event('b', 2), event('a', 1)], [event('a', 3, 2), event('c', 1)]);
    expect(rows.map((row) => [row.id, row.count])).toEqual([['a', 2], ['b', 1], ['c', 1]]);
  });

  it('keeps the newest of one batch', () => {
    expect(mergeEvents([], [event('a', 1, 1), event('a', 2, 2)]).map((row) => row.count)).toEqual([2]);
  });
});
