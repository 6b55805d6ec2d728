import { describe, expect, it } from 'vitest';

import { ABSENT, axisTexts, bytesText, quantityText, secondsText, significant, siText, unitOf } from './quantity';

describe('quantity', () => {
  it('keeps three significant digits', () => {
    expect([0, 3, 0.25, 1.234, 12.34, 123.4, 1234.5, 0.00421].map((x) => significant(x))).toEqual([
      '0', '3', '0.250', '1.23', '12.3', '123', '1,235', '0.004',
    ]);
  });

  it('never writes a small value as zero', () => {
    expect(significant(0.0002)).toBe('<0.001');
  });

  it('uses IEC prefixes for bytes and SI for the rest', () => {
    expect(bytesText(512)).toBe('512 B');
    expect(bytesText(1536)).toBe('1.50 KiB');
    expect(bytesText(1024 ** 3 * 12)).toBe('12 GiB');
    expect(siText(1500)).toBe('1.50 k');
    expect(siText(2_340_000)).toBe('2.34 M');
  });

  it('moves to the next prefix instead of writing 1000', () => {
    expect(siText(999_900)).toBe('1.00 M');
    expect(bytesText(1024 * 1023.9)).toBe('1.00 MiB');
  });

  it('writes times in the unit a person would say', () => {
    expect([0.0000042, 0.012, 3.2, 300, 7300].map(secondsText)).toEqual(['4.20 µs', '12 ms', '3.20 s', '5 min', '2.03 h']);
  });

  it('writes the unit behind the number', () => {
    expect(quantityText(2048, unitOf('bytes/s'))).toBe('2 KiB/s');
    expect(quantityText(0.5, unitOf('ratio'))).toBe('50 %');
    expect(quantityText(1500, unitOf('1/s'))).toBe('1.50 k/s');
    expect(quantityText(0.25, unitOf('cores'))).toBe('0.250');
  });

  it('writes the ticks of an axis with the same prefix and the same decimals', () => {
    expect(axisTexts([0, 0.25, 0.5, 0.75, 1], unitOf('cores'))).toEqual(['0', '0.25', '0.50', '0.75', '1.00']);
    expect(axisTexts([0, 0.5, 1, 1.5].map((x) => x * 1024 ** 3), unitOf('bytes'))).toEqual(['0', '0.5 GiB', '1.0 GiB', '1.5 GiB']);
    expect(axisTexts([0, 500, 1000], unitOf('1/s'))).toEqual(['0', '0.5 k/s', '1.0 k/s']);
    expect(axisTexts([0, 60, 120, 180], unitOf('seconds'))).toEqual(['0', '1 min', '2 min', '3 min']);
    expect(axisTexts([0, 0.1, 0.2], unitOf('ratio'))).toEqual(['0', '10 %', '20 %']);
  });

  it('says that a value is absent', () => {
    expect(quantityText(null, unitOf('bytes'))).toBe(ABSENT);
    expect(quantityText(Number.NaN, unitOf('none'))).toBe(ABSENT);
  });
});
