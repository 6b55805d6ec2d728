import { QueryClient, VueQueryPlugin } from '@tanstack/vue-query';
import { flushPromises, mount, type VueWrapper } from '@vue/test-utils';
import { createPinia, setActivePinia } from 'pinia';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { MockSettings } from '../../../e2e/mock/settings';
import RetentionTable from './RetentionTable.vue';

/** A machine that does other things takes its time. */
const PATIENCE = { timeout: 20_000 };

describe('RetentionTable', () => {
  let server: MockSettings;
  let sent: { method: string; ifMatch: string | undefined; body: unknown }[];
  let shown: VueWrapper;

  const field = (title: string) => shown.get<HTMLInputElement>(`input[aria-label="${title}: kept for"]`);
  const dialog = (): HTMLElement => document.body.querySelector<HTMLElement>('[role=dialog]') ?? document.body;
  const press = async (text: string): Promise<void> => {
    const button = [...dialog().querySelectorAll('button')].find((one) => one.textContent === text);
    if (!button) throw new Error(`no button ${text}`);
    button.click();
    await flushPromises();
  };
  async function open(props: { isEditable: boolean; refusal?: string }): Promise<void> {
    const queryClient = new QueryClient({ defaultOptions: { queries: { retry: false } } });
    shown = mount(RetentionTable, { props, attachTo: document.body, global: { plugins: [[VueQueryPlugin, { queryClient }]] } });
    await vi.waitFor(() => shown.get('tbody tr'), PATIENCE);
  }
  async function review(): Promise<void> {
    await shown.get('form').trigger('submit');
    await vi.waitFor(() => { if (dialog() === document.body) throw new Error('no dialog'); }, PATIENCE);
  }

  beforeEach(() => {
    setActivePinia(createPinia());
    server = new MockSettings();
    sent = [];
    vi.stubGlobal('fetch', (_path: string, { method = 'GET', headers, body }: RequestInit) => {
      const request = { method, ifMatch: (headers as Record<string, string>)['if-match'], body: body ? (JSON.parse(body as string) as unknown) : null };
      if (method !== 'GET') sent.push(request);
      const answer = server.retention(method, { ...request, by: 'ann (1)' });
      return Promise.resolve(new Response(JSON.stringify(answer.body), { status: answer.status }));
    });
  });
  afterEach(() => {
    shown.unmount();
    vi.unstubAllGlobals();
  });

  it('shows what holds and where it comes from', async () => {
    server.retention('PUT', { body: { logs: '30d' }, by: 'ann (1)' });
    await open({ isEditable: true });
    expect(field('Logs').element.value).toBe('30d');
    const rows = shown.findAll('tbody tr').map((row) => row.text());
    expect(rows.find((row) => row.startsWith('Logs'))).toMatch(/set by ann \(1\), \d+ s ago7d$/);
    expect(rows.find((row) => row.startsWith('Events'))).toContain('configuration30d');
  });

  it('is only read where the token may not change it, and says why', async () => {
    await open({ isEditable: false, refusal: 'Read only: this needs the role admin.' });
    expect(shown.findAll('input, button')).toHaveLength(0);
    expect(shown.get('[role=note]').text()).toBe('Read only: this needs the role admin.');
  });

  it('saves what is longer after the difference was shown, against the revision that was seen', async () => {
    await open({ isEditable: true });
    await field('Logs').setValue('30d');
    await review();
    expect(dialog().textContent).toMatch(/Logs7d → .*30dkeeps more/);
    expect(dialog().querySelector('input[type=checkbox]')).toBeNull();
    await press('Save');
    expect(sent).toEqual([{ method: 'PUT', ifMatch: '"0"', body: { logs: '30d' } }]);
    expect(shown.get('[role=status]').text()).toContain('Saved.');
    expect(field('Logs').element.value).toBe('30d');
  });

  it('deletes only when that was ticked', async () => {
    await open({ isEditable: true });
    await field('Metrics in 10 s windows').setValue('12h');
    await review();
    expect(dialog().textContent).toContain('This deletes data for good.');
    expect(dialog().textContent).toContain('Delete metrics in 10 s windows older than 12h');
    await press('Save and delete');
    expect(sent).toEqual([]);
    const tick = dialog().querySelector<HTMLInputElement>('input[type=checkbox]');
    tick?.click();
    await flushPromises();
    await press('Save and delete');
    expect(sent).toHaveLength(1);
    expect(shown.get('[role=status]').text()).toContain('metrics_10s are kept for 12h now');
  });

  it('shows a conflict, and keeps what was typed when it reloads', async () => {
    await open({ isEditable: true });
    await field('Logs').setValue('30d');
    server.retention('PUT', { body: { logs: '90d' }, by: 'bob (2)' });
    await review();
    await press('Save');
    expect(dialog().textContent).toContain('Somebody else has changed the retention meanwhile.');
    await press('Reload and compare again');
    await vi.waitFor(() => expect(dialog().textContent).toMatch(/Logs90d → .*30ddeletes data/), PATIENCE);
    dialog().querySelector<HTMLInputElement>('input[type=checkbox]')?.click();
    await flushPromises();
    await press('Save and delete');
    expect(sent.map((one) => one.ifMatch)).toEqual(['"0"', '"1"']);
    expect(field('Logs').element.value).toBe('30d');
  });

  it('goes back to the configuration by an empty field', async () => {
    server.retention('PUT', { body: { logs: '30d' }, by: 'ann (1)' });
    await open({ isEditable: true });
    await shown.get('button[aria-label="Logs: back to the configuration"]').trigger('click');
    expect(field('Logs').element.value).toBe('');
    await review();
    expect(dialog().textContent).toContain('7d (configuration)');
    dialog().querySelector<HTMLInputElement>('input[type=checkbox]')?.click();
    await flushPromises();
    await press('Save and delete');
    expect(sent).toEqual([{ method: 'DELETE', ifMatch: '"1"', body: null }]);
  });

  it('names what cannot be a span, and saves nothing', async () => {
    await open({ isEditable: true });
    await field('Logs').setValue('2h');
    expect(shown.get('[role=alert]').text()).toBe('At least 1d.');
    expect(field('Logs').attributes('aria-invalid')).toBe('true');
    expect(shown.get('button[type=submit]').attributes('disabled')).toBeDefined();
  });
});
