import { mount } from '@vue/test-utils';
import { createPinia, setActivePinia } from 'pinia';
import { beforeEach, describe, expect, it } from 'vitest';

import type { CanaryHop } from '../../api/types';
import { hopState } from './canary';
import PipelineCanary from './PipelineCanary.vue';

const hop = (more: Partial<CanaryHop>): CanaryHop => ({
  id: 'bus', title: 'Read from the bus', received_total: 1200, missing_total: 0, doubled_total: 0, latency_p50_s: 0.004, latency_p99_s: 0.021,
  last_seen: '2026-11-21T10:00:00.000Z', ...more,
});

describe('PipelineCanary', () => {
  beforeEach(() => setActivePinia(createPinia()));

  it('shows every hop with what it lacks and how long it takes', () => {
    const panel = mount(PipelineCanary, { props: { hops: [hop({}), hop({ id: 'log_read', title: 'Read from the log store', missing_total: 2, latency_p50_s: null, latency_p99_s: null, last_seen: null })] } });
    const rows = panel.findAll('tbody tr').map((row) => row.findAll('td').map((cell) => cell.text()));
    expect(rows[0]?.slice(0, 6)).toEqual(['Read from the bus', '1,200', '0', '0', '4 ms', '21 ms']);
    expect(rows[1]).toEqual(['Read from the log store', '1,200', '2', '0', '–', '–', '–']);
    expect(panel.findAll('td.bad')).toHaveLength(1);
  });

  it('is not there before any hop has seen a beat', () => {
    expect(mount(PipelineCanary, { props: { hops: [] } }).find('section').exists()).toBe(false);
  });

  it('puts loss before doubles', () => {
    expect(hopState(hop({ missing_total: 1, doubled_total: 1 })).tone).toBe('critical');
    expect(hopState(hop({ doubled_total: 1 })).tone).toBe('warn');
    expect(hopState(hop({})).tone).toBe('ok');
  });
});
