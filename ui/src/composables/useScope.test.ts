import { flushPromises, mount } from '@vue/test-utils';
import { createPinia, setActivePinia } from 'pinia';
import { beforeEach, describe, expect, it } from 'vitest';
import { defineComponent, h } from 'vue';
import { createMemoryHistory, createRouter, type Router } from 'vue-router';

import { useScope } from './useScope';
import { useTimeline } from './useTimeline';

const Blank = defineComponent({ render: () => h('i') });
let router: Router;

async function scopeAt(path: string): Promise<ReturnType<typeof useScope>> {
  let scope: ReturnType<typeof useScope> | null = null;
  router = createRouter({ history: createMemoryHistory(), routes: [{ path: '/:rest(.*)*', component: Blank }] });
  await router.push(path);
  const pinia = createPinia();
  setActivePinia(pinia);
  mount(defineComponent({ setup() { scope = useScope(); return () => h('i'); } }), { global: { plugins: [router, pinia] } });
  return scope as unknown as ReturnType<typeof useScope>;
}
const query = () => router.currentRoute.value.query;

describe('useScope', () => {
  beforeEach(() => sessionStorage.clear());

  it('reads the scope from the address and asks relatively while it follows now', async () => {
    const scope = await scopeAt('/x?cluster=c1&ns=a&ns=b&range=1h&q=kept');
    expect(scope.filter.value).toEqual({ cluster: 'c1', namespace: ['a', 'b'] });
    expect(scope.rangeQuery.value).toEqual({ from: '-1h', to: null });
    expect(scope.carried.value).toEqual({ cluster: 'c1', ns: ['a', 'b'], range: '1h' });
  });

  it('asks for fixed times while paused', async () => {
    const scope = await scopeAt('/x?range=1h');
    const timeline = useTimeline();
    timeline.pause();
    const { from, to } = scope.rangeQuery.value;
    expect(Date.parse(to ?? '') - Date.parse(from)).toBe(3_600_000);
    expect(scope.isFollowing.value).toBe(false);
  });

  it('writes several changes as one navigation and leaves defaults out', async () => {
    const scope = await scopeAt('/x?cluster=c1&ns=a&q=kept');
    scope.cluster.value = '';
    scope.namespaces.value = ['b', 'c'];
    scope.setRange({ span: 900_000, from: null, to: null }, false);
    await flushPromises();
    expect(query()).toEqual({ ns: ['b', 'c'], q: 'kept' });
  });

  it('zooms and returns', async () => {
    const scope = await scopeAt('/x?range=3h');
    scope.zoom(1_700_000_000_000, 1_700_000_060_000);
    await flushPromises();
    expect(query()).toEqual({ from: '2023-11-14T22:13:20.000Z', to: '2023-11-14T22:14:20.000Z' });
    scope.unzoom();
    await flushPromises();
    expect(query()).toEqual({ range: '3h' });
  });
});
