import { describe, expect, it } from 'vitest';

import type { LatestRow } from '../api/types';
import { targetsOf, tellingLabels } from './targets';

const row = (name: string, path: string, value: number, instance = 'a:9100'): LatestRow => ({ labels: { __name__: name, instance, job: 'node', path }, kind: 'gauge', timestamp_ms: 5, value, is_provisional: false });

describe('targets', () => {
  it('puts those that are down first and tells targets of one host apart', () => {
    const targets = targetsOf(
      [row('up', '/a', 1), row('up', '/b', 0), row('up', '/a', 1, 'b:1')],
      [row('scrape_duration_seconds', '/a', 0.2)],
      [row('scrape_samples_scraped', '/a', 70), row('scrape_samples_scraped', '/b', 0)],
    );
    expect(targets.map(({ place, labels, isUp, seconds, nSamples }) => [place, labels.path, isUp, seconds, nSamples])).toEqual([
      ['a:9100', '/b', false, null, 0], ['a:9100', '/a', true, 0.2, 70], ['b:1', '/a', true, null, null],
    ]);
    expect(tellingLabels(targets)).toEqual(['path']);
    expect(tellingLabels(targets.slice(0, 1))).toEqual(['job', 'path']);
  });
});
