import { mount } from '@vue/test-utils';
import { describe, expect, it } from 'vitest';

import UsageBar from './UsageBar.vue';

const bar = (amounts: { used: number | null; requested?: number | null; limit?: number | null; allocatable?: number | null }) =>
  mount(UsageBar, { props: { kind: 'cpu', amounts: { requested: null, limit: null, allocatable: null, ...amounts } } });

describe('UsageBar', () => {
  it('is measured against the limit and warns near it', () => {
    const near = bar({ used: 0.9, requested: 0.5, limit: 1 });
    expect(near.get('i').attributes('style')).toContain('90%');
    expect(near.get('i').classes()).toContain('warn');
    expect(near.get('b').attributes('style')).toContain('50%');
    expect(bar({ used: 0.99, limit: 1 }).get('i').classes()).toContain('critical');
  });

  it('does not warn without anything to be near to', () => {
    expect(bar({ used: 5, requested: 1 }).get('i').classes()).toEqual([]);
  });

  it('draws nothing for what was not measured', async () => {
    expect(bar({ used: null, limit: 1 }).find('i').exists()).toBe(false);
    const absent = bar({ used: null, limit: 1 });
    await absent.trigger('pointerenter');
    expect(absent.attributes('title')).toContain('used –');
  });
});
