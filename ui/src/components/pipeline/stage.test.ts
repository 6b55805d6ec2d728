import { describe, expect, it } from 'vitest';

import { detailRows, detailText, detailTitle, lagText, newestText } from './stage';

describe('stage', () => {
  it('writes a detail by the unit in its name', () => {
    expect(detailTitle('n_failed_targets')).toBe('Failed targets');
    expect(detailTitle('disk_bytes')).toBe('Disk');
    expect(detailText('disk_bytes', 2048)).toBe('2 KiB');
    expect(detailText('fsync_p99_seconds', 0.004)).toBe('4 ms');
    expect(detailText('requests_per_s', 2.5)).toBe('2.50/s');
    expect(detailText('n_series', 14_820)).toBe('14,820');
  });

  it('says what the lag counts, and ages in one unit', () => {
    expect([lagText(71), lagText(1), lagText(null)]).toEqual(['71 messages', '1 message', '–']);
    expect([newestText(1.25), newestText(27_811)]).toEqual(['1.3 s', '7 h']);
  });

  it('puts rate and total of one thing into one row', () => {
    expect(detailRows({ failed_scrapes_per_s: 0.25, failed_scrapes_total: 87, queue_bytes: 0 })).toEqual([['Failed scrapes', '0.250/s · 87'], ['Queue', '0 B']]);
  });
});
