import { describe, expect, it } from 'vitest';

import { ageText, exactText, intervalOf, parseRange, parseSpan, rangeText, spanText, steppedRange, timeTicks } from './moment';

const NOW = Date.UTC(2026, 10, 21, 10, 0, 0);

describe('moment', () => {
  it('reads spans and refuses the rest', () => {
    expect(parseSpan('15m')).toBe(900_000);
    expect(['', '0m', '15', 'm', '15 m', '-5m'].map(parseSpan)).toEqual([null, null, null, null, null, null]);
    expect(spanText(5_400_000)).toBe('90m');
  });

  it('falls back to the default range on a broken address', () => {
    expect(parseRange({ range: 'nonsense' }).span).toBe(900_000);
    expect(parseRange({ from: '5', to: 'x' }).span).toBe(900_000);
    expect(parseRange({ from: '2026-11-21T10:00:00Z', to: '2026-11-21T09:00:00Z' }).span).toBe(900_000);
  });

  it('keeps an absolute range where it is', () => {
    const range = parseRange({ from: '2026-11-21T09:00:00Z', to: '2026-11-21T10:00:00Z' });
    expect(intervalOf(range, NOW + 99)).toEqual({ from: NOW - 3_600_000, to: NOW });
    expect(rangeText(range, 'utc')).toBe('11-21 09:00:00 – 10:00:00');
  });

  it('steps back by half its width and forward until it follows now again', () => {
    const back = steppedRange({ span: 600_000, from: null, to: null }, -1, NOW);
    expect(back).toEqual({ span: null, from: NOW - 900_000, to: NOW - 300_000 });
    expect(steppedRange(back, 1, NOW)).toEqual({ span: 600_000, from: null, to: null });
  });

  it('puts ticks on round times', () => {
    expect(timeTicks({ from: NOW - 890_000, to: NOW }, 4, 'utc').map((tick) => tick.text)).toEqual(['09:50', '09:55', '10:00']);
    expect(timeTicks({ from: NOW - 50_000, to: NOW }, 4, 'utc').map((tick) => tick.text)).toEqual(['09:59:15', '09:59:30', '09:59:45', '10:00:00']);
  });

  it('writes ages and exact times', () => {
    expect([0, 89_000, 91_000, 5_400_000, 200_000_000].map(ageText)).toEqual(['0 s', '89 s', '1 min', '1 h', '2 d']);
    expect(exactText(NOW, 'utc')).toBe('2026-11-21 10:00:00 UTC');
  });
});
