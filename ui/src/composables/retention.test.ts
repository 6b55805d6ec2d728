import { describe, expect, it } from 'vitest';

import type { RetentionAnswer } from '../api/types';
import { changesOf, problemOf, requestOf, spanMs } from './retention';

const answer: RetentionAnswer = {
  revision: 3, changed: '2026-11-21T10:00:00.000Z', changed_by: 'api.token', warnings: [], is_unreadable: false,
  spans: [
    { name: 'metrics_10s', configured: '2d', set: null, may_be_longer: false },
    { name: 'logs', configured: '7d', set: '30d', may_be_longer: true },
    { name: 'events', configured: null, set: null, may_be_longer: false },
  ],
};

describe('retention', () => {
  it('reads spans as the server does', () => {
    expect(['12h', ' 1d12h ', '90s', '500ms', '1m30s'].map(spanMs)).toEqual([43_200_000, 129_600_000, 90_000, 500, 90_000]);
    for (const text of ['', 'x', '12', 'h', '1.5h', '-1d', '1d 12h', '12H', `${'9'.repeat(30)}d`]) expect(spanMs(text), text).toBeNull();
  });

  it('says why the server would refuse, and takes an empty text for the configuration', () => {
    expect(problemOf('logs', '12h')).toBe('At least 1d.');
    expect(problemOf('metrics_1h', '5h')).toBe('At least 6h.');
    expect(problemOf('logs', '3651d')).toBe('At most 3650d.');
    expect(problemOf('logs', 'a week')).toMatch(/such as 12h/);
    expect([problemOf('logs', '1d'), problemOf('logs', '3650d'), problemOf('logs', ' ')]).toEqual([null, null, null]);
  });

  it('finds what changes, and no change in what is written another way', () => {
    expect(changesOf(answer, {})).toEqual([]);
    expect(changesOf(answer, { metrics_10s: '48h', logs: '720h', events: '' })).toEqual([]);
    expect(changesOf(answer, { metrics_10s: '3d' })).toEqual([{ name: 'metrics_10s', title: 'Metrics in 10 s windows', from: '2d', to: '3d', isConfigured: false, deletes: false }]);
  });

  it('calls out what deletes: shorter spans, going back to less, and what cannot be compared', () => {
    const deletes = (drafts: Record<string, string>): boolean[] => changesOf(answer, drafts).map((change) => change.deletes);
    expect(deletes({ metrics_10s: '12h' })).toEqual([true]);
    expect(changesOf(answer, { logs: '' })).toEqual([{ name: 'logs', title: 'Logs', from: '30d', to: '7d', isConfigured: true, deletes: true }]);
    expect(deletes({ logs: '31d' })).toEqual([false]);
    expect(deletes({ events: '9d' })).toEqual([true]);
    // A server may keep more than is configured, until somebody sets a span.
    const onServers = { ...answer, spans: answer.spans.map((span) => ({ ...span, may_be_longer: true })) };
    expect(changesOf(onServers, { metrics_10s: '3d', logs: '31d' }).map((change) => change.deletes)).toEqual([true, false]);
    expect(changesOf({ ...answer, is_unreadable: true }, { metrics_10s: '3d' }).map((change) => change.deletes)).toEqual([true]);
  });

  it('sends the whole, as the server replaces the whole', () => {
    expect(requestOf(answer, { metrics_10s: ' 3d ' })).toEqual({ metrics_10s: '3d', logs: '30d' });
    expect(requestOf(answer, {})).toEqual({ logs: '30d' });
    expect(requestOf(answer, { logs: '' })).toBeNull();
    // Written as configured, it stays set: the configuration may change.
    expect(requestOf(answer, { logs: '7d' })).toEqual({ logs: '7d' });
  });
});
