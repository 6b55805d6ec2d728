import { describe, expect, it } from 'vitest';

import { recordedRange } from './recording';

describe('recording', () => {
  it('opens on the last minutes of the data and moves on in steps', () => {
    const newest = Date.parse('2026-11-20T03:04:05Z');
    const { from, to } = recordedRange(newest);
    expect([from, to].map((time) => new Date(time).toISOString())).toEqual(['2026-11-20T02:49:30.000Z', '2026-11-20T03:04:30.000Z']);
    expect(recordedRange(newest + 20_000)).toEqual({ from, to });
    expect(recordedRange(to).to).toBeGreaterThan(to);
  });
});
