import { describe, expect, it } from 'vitest';

import type { PodRow } from '../api/types';
import { cellAt, cellTone, grouped, hexMap, neighbour } from './hexMap';

const pod = (name: string, more: Partial<PodRow> = {}): PodRow => ({ name, namespace: 'shop', node: 'node-1', cluster: 'c', uid: name, phase: 'Running', status: 'Running', reason: '', message: '', is_healthy: true, ready_containers: 1, total_containers: 1, n_restarts: 0, last_restart: null, last_termination: null, workload_kind: '', workload: '', pod_ip: '', created: null, usage: { cpu: { used: 0.9, requested: 0.5, limit: 1, allocatable: null }, memory: { used: null, requested: 1, limit: 1, allocatable: null } }, ...more });

describe('hexMap', () => {
  it('groups by node in the order of their numbers, with what is not scheduled', () => {
    const pods = [pod('a', { node: 'node-10' }), pod('c', { node: 'node-2' }), pod('b', { node: 'node-2' }), pod('d', { node: '' })];
    expect(grouped(pods, 'node').map(([name, own]) => [name, own.map((one) => one.name)])).toEqual([['node-2', ['b', 'c']], ['node-10', ['a']], ['not scheduled', ['d']]]);
  });

  it('keeps ten thousand cells apart and within its width', () => {
    const pods = Array.from({ length: 10_000 }, (_, i) => pod(`p${i}`, { node: `node-${i % 100}` }));
    const map = hexMap(grouped(pods, 'node'), 1200);
    expect(map.cells).toHaveLength(10_000);
    expect(map.cells.every((cell) => cell.x >= 0 && cell.x <= 1200 && cell.y < map.height)).toBe(true);
    const [first, second] = map.cells;
    expect((second?.x ?? 0) - (first?.x ?? 0)).toBeGreaterThan(map.radius * 1.7);
  });

  it('finds the cell under a point and the next one in a direction', () => {
    const map = hexMap([['g', [pod('a'), pod('b'), pod('c'), pod('d')]]], 400);
    const [a, b] = map.cells;
    expect(cellAt(map, (a?.x ?? 0) + 2, a?.y ?? 0)).toBe(0);
    expect(cellAt(map, 399, 399)).toBe(-1);
    expect(neighbour(map, 0, 1, 0)).toBe(1);
    expect(map.cells[neighbour(map, 0, 0, 1)]?.pod.name).toBe('d');
    expect(neighbour(map, 1, 1, 0)).not.toBe(1);
    expect(b?.pod.name).toBe('b');
  });

  it('is loud about what is nearly full, and says nothing about what was not measured', () => {
    expect(cellTone(pod('a'), 'cpu')).toBe('warn');
    expect(cellTone(pod('a'), 'memory')).toBe('unknown');
    expect(cellTone(pod('a', { n_restarts: 12 }), 'restarts')).toBe('critical');
    expect(cellTone(pod('a', { status: 'OOMKilled', is_healthy: false }), 'status')).toBe('critical');
  });
});
