import { describe, expect, it } from 'vitest';

import type { Overview, ProblemRow } from '../api/types';
import { verdictOf } from './health';

const read = (n_pods: number, n_nodes: number, n_namespaces = 1): Pick<Overview, 'health' | 'counts'> => ({
  health: { n_pods, n_nodes, n_workloads: n_pods, n_nodes_ready: n_nodes, n_workloads_healthy: n_pods, n_pods_healthy: n_pods, n_pods_running: n_pods, n_pods_pending: 0, n_pods_failing: 0, n_pods_finished: 0 },
  counts: { n_clusters: 1, n_namespaces, n_series: 0, n_problems: 0, n_warnings: 0, n_warning_events: null },
});
const EVERYWHERE = { cluster: '', namespaces: [] };
const CALM = { now: [], n: '0', isCurrent: true };
const PROBLEM: ProblemRow = { severity: 'error', kind: 'pod', cluster: 'c', namespace: 'n', object_kind: 'Pod', object_name: 'p', reason: 'R', message: '', since: null };

describe('health', () => {
  it('is green only where something was looked at', () => {
    expect(verdictOf(read(3, 1), EVERYWHERE, CALM)).toEqual({ tone: 'ok', text: 'Nothing is wrong', isJudged: true });
    const nope = verdictOf(read(0, 3, 0), { cluster: '', namespaces: ['nope'] }, CALM);
    expect([nope.tone, nope.text]).toEqual(['unknown', 'Nothing is known of a namespace nope']);
    expect(verdictOf(read(0, 3), { cluster: '', namespaces: ['empty'] }, CALM).text).toBe('Nothing runs in empty');
    expect(verdictOf(read(0, 0), { cluster: 'x', namespaces: [] }, CALM).text).toBe('Nothing is known of a cluster x');
    expect(verdictOf(read(0, 0), EVERYWHERE, CALM).text).toBe('No Kubernetes objects yet');
  });

  it('is not green, nor red, of a server that does not answer', () => {
    expect(verdictOf(read(3, 1), EVERYWHERE, { ...CALM, isCurrent: false }).tone).toBe('unknown');
    const before = verdictOf(read(3, 1), EVERYWHERE, { now: [PROBLEM], n: '1', isCurrent: false });
    expect([before.tone, before.text]).toEqual(['unknown', 'Not known now; last: 1 problem']);
  });

  it('is as bad as the worst problem', () => {
    const verdict = (severity: ProblemRow['severity']): string => verdictOf(read(3, 1), EVERYWHERE, { now: [PROBLEM, { ...PROBLEM, severity }], n: '2', isCurrent: true }).tone;
    expect([verdict('critical'), verdict('warning')]).toEqual(['critical', 'serious']);
  });
});
