import { describe, expect, it } from 'vitest';

import type { Amounts, PodRow, WorkloadRow } from '../api/types';
import { addedUsage, flatRows, type TreeQuestion, treeRows } from './workloadTree';

const amounts = (used: number | null): Amounts => ({ used, requested: 1, limit: null, allocatable: null });
const usage = (used: number | null) => ({ cpu: amounts(used), memory: amounts(used) });

const workload = (name: string, status: WorkloadRow['status'] = 'Available'): WorkloadRow => ({
  cluster: 'c', namespace: 'n', kind: 'Deployment', name, status, reason: '', message: '', schedule: '', n_pods: 0, desired: 1, ready: 1, available: 1, updated: 1, n_restarts: 0, images: [], created: null, usage: usage(null),
});
const pod = (name: string, of: string, cpu: number | null = 1, status = 'Running'): PodRow => ({
  cluster: 'c', namespace: 'n', name, uid: name, phase: 'Running', status, reason: '', message: '', is_healthy: status === 'Running', ready_containers: 1, total_containers: 1, n_restarts: 0,
  last_restart: null, last_termination: null, node: 'node-1', workload_kind: 'Deployment', workload: of, pod_ip: '', created: null, usage: usage(cpu),
});
const question = (change: Partial<TreeQuestion> = {}): TreeQuestion => ({ words: [], onlyProblems: false, kinds: [], open: new Set(), sort: { key: 'name', isDescending: false }, ...change });
const names = (rows: { name: string; depth: number }[]): string[] => rows.map((row) => '>'.repeat(row.depth - 1) + row.name);

describe('workloadTree', () => {
  const workloads = [workload('web'), workload('api', 'Degraded')];
  const pods = [pod('web-1', 'web', 3), pod('web-2', 'web', 5), pod('api-1', 'api', null, 'CrashLoopBackOff'), pod('alone', '')];

  it('shows pods beneath an unfolded workload and bare pods beside it', () => {
    expect(names(treeRows(workloads, pods, question({ open: new Set(['c/n/Deployment/web']) })))).toEqual(['alone', 'api', 'web', '>web-1', '>web-2']);
  });

  it('unfolds a workload when only its pod is what was searched', () => {
    expect(names(treeRows(workloads, pods, question({ words: ['web-2'] })))).toEqual(['web', '>web-2']);
    expect(names(treeRows(workloads, pods, question({ words: ['crash'] })))).toEqual(['api', '>api-1']);
  });

  it('keeps only what has a problem', () => {
    expect(names(treeRows(workloads, pods, question({ onlyProblems: true })))).toEqual(['api']);
    expect(names(flatRows(pods, question({ onlyProblems: true })))).toEqual(['api-1']);
  });

  it('sorts inside and outside alike', () => {
    const rows = treeRows(workloads, pods, question({ open: new Set(['c/n/Deployment/web']), sort: { key: 'cpu', isDescending: true } }));
    expect(names(rows)).toEqual(['web', '>web-2', '>web-1', 'alone', 'api']);
  });

  it('adds up what was measured and nothing else', () => {
    expect(addedUsage([usage(1), usage(null)]).cpu).toEqual({ used: 1, requested: 2, limit: null, allocatable: null });
    expect(addedUsage([usage(null)]).cpu.used).toBeNull();
  });
});
