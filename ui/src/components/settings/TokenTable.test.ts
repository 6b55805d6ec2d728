import { QueryClient, VueQueryPlugin } from '@tanstack/vue-query';
import { flushPromises, mount, type VueWrapper } from '@vue/test-utils';
import { createPinia, setActivePinia } from 'pinia';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { defineComponent, h } from 'vue';

import { MockSettings } from '../../../e2e/mock/settings';
import type { TokenRow } from '../../api/types';
import { useTokens } from '../../composables/useTokens';
import TokenTable from './TokenTable.vue';

const Page = defineComponent({ setup: () => { const tokens = useTokens(); return () => h(TokenTable, { tokens }); } });

/** A machine that does other things takes its time. */
const PATIENCE = { timeout: 20_000 };

describe('TokenTable', () => {
  let server: MockSettings;
  let role: TokenRow['role'];
  let auth: string;
  let isRefused: boolean;
  let shown: VueWrapper;
  const dialog = (): HTMLElement | null => document.body.querySelector<HTMLElement>('[role=dialog]');
  const press = async (text: string): Promise<void> => {
    const button = [...(dialog()?.querySelectorAll('button') ?? [])].find((one) => one.textContent === text);
    if (!button) throw new Error(`no button ${text}`);
    button.click();
    await flushPromises();
  };
  async function open(sign: string): Promise<void> {
    const queryClient = new QueryClient({ defaultOptions: { queries: { retry: false } } });
    shown = mount(Page, { attachTo: document.body, global: { plugins: [[VueQueryPlugin, { queryClient }]] } });
    await vi.waitFor(() => expect(shown.text()).toContain(sign), PATIENCE);
  }

  beforeEach(() => {
    setActivePinia(createPinia());
    [server, role, auth, isRefused] = [new MockSettings(), 'admin', 'token', false];
    vi.stubGlobal('fetch', (path: string, { method = 'GET', body }: RequestInit) => {
      const id = /\/tokens\/(.+)$/.exec(path)?.[1];
      const refused = { status: 401, body: { title: 'Unauthorized', status: 401 } };
      const answer = isRefused ? refused : path.endsWith('/status') ? { status: 200, body: { auth } } : server.tokens(method, id, { role, by: 'api.token', body: body ? (JSON.parse(body as string) as unknown) : null });
      return Promise.resolve(new Response(JSON.stringify(answer.body), { status: answer.status }));
    });
  });
  afterEach(() => {
    shown.unmount();
    sessionStorage.clear();
    vi.unstubAllGlobals();
  });

  it('makes a token, shows it once, and forgets it', async () => {
    await open('No tokens');
    await shown.get('button').trigger('click');
    const [name] = dialog()?.querySelectorAll('input') ?? [];
    if (!name) throw new Error('no field');
    name.value = 'grafana';
    name.dispatchEvent(new Event('input'));
    await flushPromises();
    await press('Create');
    await vi.waitFor(() => expect(dialog()?.textContent).toContain('It is not shown again'), PATIENCE);
    const secret = dialog()?.querySelector('code')?.textContent ?? '';
    expect(server.roleOf(secret)).toBe('viewer');
    await press('Done');
    await vi.waitFor(() => expect(shown.text()).toContain('grafana'), PATIENCE);
    expect(document.body.innerHTML).not.toContain(secret);
    expect(shown.get('tbody tr').text()).toContain('in 90 d');
  });

  it('revokes after it has asked, and says when it is the one of this tab', async () => {
    server.tokens('POST', undefined, { body: { name: 'grafana', role: 'viewer' } });
    const { items } = server.tokens('GET', undefined, {}).body as { items: TokenRow[] };
    sessionStorage.setItem('sentinel.token', `smt_${items[0]?.id}_00`);
    await open('grafana');
    expect(shown.get('.chip').text()).toBe('this tab');
    await shown.get('button[aria-label="Revoke grafana"]').trigger('click');
    await vi.waitFor(() => expect(dialog()?.textContent).toContain('This tab uses it'), PATIENCE);
    await press('Cancel');
    expect((server.tokens('GET', undefined, {}).body as { items: TokenRow[] }).items).toHaveLength(1);
    await shown.get('button[aria-label="Revoke grafana"]').trigger('click');
    await flushPromises();
    await press('Revoke');
    await vi.waitFor(() => expect(shown.text()).toContain('No tokens'), PATIENCE);
  });

  it('asks for another token when that of the tab is no longer good', async () => {
    server.tokens('POST', undefined, { body: { name: 'grafana', role: 'viewer' } });
    server.tokens('POST', undefined, { body: { name: 'this one', role: 'admin' } });
    await open('grafana');
    await shown.get('button[aria-label="Revoke this one"]').trigger('click');
    await flushPromises();
    const button = [...(dialog()?.querySelectorAll('button') ?? [])].find((one) => one.textContent === 'Revoke');
    button?.click();
    isRefused = true;
    await vi.waitFor(() => expect(shown.find('input[type=password]').exists()).toBe(true), PATIENCE);
    expect(shown.text()).not.toContain('grafana');
    expect(shown.text()).not.toContain('New token');
  });

  it('shows nobody but an admin the tokens, and says whom to ask', async () => {
    role = 'operator';
    await open('Only an admin sees tokens');
    expect(shown.text()).toContain('the token has the role operator');
    expect(shown.text()).toContain('Ask an admin');
    expect(shown.findAll('button')).toHaveLength(0);
  });

  it('says where tokens open nothing yet', async () => {
    auth = 'none';
    await open('This server asks for no token');
  });
});
