import { afterEach, describe, expect, it, vi } from 'vitest';

import { type ApiError, get, keepToken, put, queryText, remove, segment } from './http';

const answer = (status: number, body: string) => vi.fn(() => Promise.resolve(new Response(body, { status })));

describe('http', () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    sessionStorage.clear();
  });

  it('leaves out what is not set and repeats lists', () => {
    expect(queryText({ a: 1, b: null, c: '', d: ['x', 'y&z'], e: false })).toBe('?a=1&d=x&d=y%26z&e=false');
    expect(queryText({})).toBe('');
    expect(segment('')).toBe('_');
    expect(segment('a/b')).toBe('a%2Fb');
  });

  it('turns problem details into an error that keeps them', async () => {
    vi.stubGlobal('fetch', answer(404, JSON.stringify({ title: 'No such pod', status: 404, hint: 'Look at its events.' })));
    const error = (await get('/pods/a/b').catch((cause: unknown) => cause)) as ApiError;
    expect(error.problem).toMatchObject({ title: 'No such pod', status: 404, hint: 'Look at its events.' });
  });

  it('copes with errors that are not JSON and with silence', async () => {
    vi.stubGlobal('fetch', answer(502, '<html>bad gateway'));
    expect(((await get('/x').catch((cause: unknown) => cause)) as ApiError).problem.status).toBe(502);
    vi.stubGlobal('fetch', vi.fn(() => Promise.reject(new TypeError('failed'))));
    expect(((await get('/x').catch((cause: unknown) => cause)) as ApiError).problem).toMatchObject({ status: 0, title: 'The server does not answer' });
  });

  it('sends the token of this tab', async () => {
    const fetch = answer(200, '{}');
    vi.stubGlobal('fetch', fetch);
    keepToken('secret');
    await get('/status');
    expect((fetch.mock.calls[0] as unknown as [string, RequestInit])[1].headers).toMatchObject({ authorization: 'Bearer secret' });
  });

  it('makes a change conditional by the revision in quotes', async () => {
    const fetch = vi.fn(() => Promise.resolve(new Response('{}', { status: 200 })));
    vi.stubGlobal('fetch', fetch);
    await put('/settings/retention', { logs: '3d' }, 0);
    await remove('/settings/retention', 7);
    await remove('/tokens/a');
    const sent = (fetch.mock.calls as unknown as [string, RequestInit][]).map(([path, { method, headers }]) => [method, path, (headers as Record<string, string>)['if-match']]);
    expect(sent).toEqual([['PUT', '/api/v1/settings/retention', '"0"'], ['DELETE', '/api/v1/settings/retention', '"7"'], ['DELETE', '/api/v1/tokens/a', undefined]]);
  });
});
