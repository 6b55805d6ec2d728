import { describe, expect, it } from 'vitest';

import { idOf, lifetimeProblem } from './useTokens';

describe('tokens', () => {
  it('finds the id in a token that was made, and none in any other', () => {
    expect(idOf('smt_5c1f0d2e9a7b4c38_00ff')).toBe('5c1f0d2e9a7b4c38');
    expect([idOf(null), idOf('correct-horse'), idOf('smt_')]).toEqual([null, null, null]);
  });

  it('knows how long a token may live', () => {
    expect(['', '90d', '1m', '3650d'].map(lifetimeProblem)).toEqual([null, null, null, null]);
    expect([lifetimeProblem('59s'), lifetimeProblem('3651d')]).toEqual(['From 1m to 3650d.', 'From 1m to 3650d.']);
    expect(lifetimeProblem('soon')).toMatch(/such as/);
  });
});
