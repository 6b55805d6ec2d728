import { describe, expect, it } from 'vitest';

import type { ProblemRow } from '../api/types';
import { useProblems } from './useProblems';

const problem = (kind: ProblemRow['kind'], name: string): ProblemRow => ({ severity: 'error', kind, cluster: 'c', namespace: 'n', object_kind: 'Pod', object_name: name, reason: 'R', message: '', since: null });

describe('useProblems', () => {
  it('tells what is wrong from what was only warned about', () => {
    const { now, warnings, nNow } = useProblems(() => ({ problems: [problem('pod', 'a'), problem('event', 'a'), problem('event', 'b')], total: 1 }));
    expect(now.value.map((row) => row.object_name)).toEqual(['a']);
    expect(warnings.value.map(({ row }) => row.object_name)).toEqual(['b']);
    expect(nNow.value).toBe('1');
  });

  it('makes one line of what many objects say alike', () => {
    const { warnings } = useProblems(() => ({ problems: ['a', 'b', 'c', 'd'].map((name) => problem('event', name)), total: 0 }));
    expect(warnings.value.map(({ row, n }) => [row.object_name, n])).toEqual([['a', 4]]);
  });

  it('counts those, too, that were not sent', () => {
    expect(useProblems(() => ({ problems: [problem('pod', 'a')], total: 9 })).nNow.value).toBe('9');
  });
});
