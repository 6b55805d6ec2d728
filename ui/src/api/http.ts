// The one place that talks REST: relative addresses, problem details as errors, the token of this tab.
import type { Problem } from './types';

export type QueryValue = string | number | boolean | null | undefined | readonly string[];
export type Query = Record<string, QueryValue>;

const TOKEN = 'sentinel.token';
export const BASE = '/api/v1';

/** An answer that is not a success, or no answer at all (`status` 0). */
export class ApiError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail ?? problem.title);
    this.name = 'ApiError';
    this.problem = problem;
  }

  /** Not 403: no token helps against that. */
  get isTokenWanted(): boolean {
    return this.problem.status === 401;
  }
}

export function readToken(): string | null {
  return sessionStorage.getItem(TOKEN);
}

/** Others cannot be sent at all: a header has no way to say them. */
export const isToken = (text: string): boolean => /^[\x21-\x7e]+$/.test(text);

export function keepToken(token: string): void {
  sessionStorage.setItem(TOKEN, token);
}

/** `?a=1&b=x&b=y`; absent and empty values are left out. */
export function queryText(query: Query): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined || value === '') continue;
    if (Array.isArray(value)) for (const item of value as string[]) params.append(name, item);
    else params.append(name, String(value));
  }
  const text = params.toString();
  return text === '' ? '' : `?${text}`;
}

export const apiPath = (path: string, query: Query = {}): string => `${BASE}${path}${queryText(query)}`;

/** One segment of a path. */
export const segment = (text: string): string => encodeURIComponent(text === '' ? '_' : text);

async function problemOf(response: Response): Promise<Problem> {
  const fallback: Problem = { title: `${response.status} ${response.statusText}`.trim(), status: response.status };
  try {
    const body = (await response.json()) as Partial<Problem>;
    return { ...fallback, ...body, status: response.status };
  } catch {
    return fallback;
  }
}

async function send(path: string, init: RequestInit, revision: number | null = null): Promise<Response> {
  const token = readToken();
  const headers: Record<string, string> = { accept: 'application/json' };
  if (revision !== null) headers['if-match'] = `"${revision}"`;
  if (init.body) headers['content-type'] = 'application/json';
  if (token) headers.authorization = `Bearer ${token}`;
  try {
    return await fetch(path, { ...init, headers });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError({ title: 'The server does not answer', status: 0, hint: 'Check that `sentinel` is running, then retry.' });
  }
}

export async function get<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  const response = await send(apiPath(path, query), { method: 'GET', signal: signal ?? null });
  if (!response.ok) throw new ApiError(await problemOf(response));
  return (await response.json()) as T;
}

export async function post<T>(path: string, body?: unknown): Promise<T> {
  const response = await send(apiPath(path), { method: 'POST', body: body === undefined ? null : JSON.stringify(body) });
  if (!response.ok) throw new ApiError(await problemOf(response));
  return (await response.json()) as T;
}

/** Replaces the whole; with a `revision`, only that one: 412 when somebody else was faster. */
export async function put<T>(path: string, body: unknown, revision: number | null = null): Promise<T> {
  const response = await send(apiPath(path), { method: 'PUT', body: JSON.stringify(body) }, revision);
  if (!response.ok) throw new ApiError(await problemOf(response));
  return (await response.json()) as T;
}

/** As `put`, for taking it away. */
export async function remove<T>(path: string, revision: number | null = null): Promise<T> {
  const response = await send(apiPath(path), { method: 'DELETE' }, revision);
  if (!response.ok) throw new ApiError(await problemOf(response));
  return (await response.json()) as T;
}
