// Tokens of people and programs: reading, making, revoking. Only an admin may, so the answer also tells what this tab may do.
import { computed, ref, shallowRef } from 'vue';

import { type ApiError, post, readToken, remove, segment } from '../api/http';
import type { Problem, Status, TokenCreated, TokenRequest, TokenRow } from '../api/types';
import { spanMs } from './retention';
import { useRead } from './useRead';

const PATH = '/tokens';
const EVERY_S = 10;
const FORBIDDEN = 403;

/** Of a token that the API has made: `smt_ID_SECRET`. */
export const idOf = (token: string | null): string | null => /^smt_([0-9a-f]+)_/.exec(token ?? '')?.[1] ?? null;

const LEAST_MS = 60_000;
const MOST_MS = 3650 * 86_400_000;
/** Why the server would refuse how long a token is to live; empty is for ever. */
export function lifetimeProblem(text: string): string | null {
  if (text.trim() === '') return null;
  const span = spanMs(text);
  if (span === null) return 'Write a span such as 12h or 90d, or leave it empty.';
  return span < LEAST_MS || span > MOST_MS ? 'From 1m to 3650d.' : null;
}

export function useTokens() {
  const read = useRead<{ items: TokenRow[] }>(() => ({ path: PATH }), () => EVERY_S);
  const status = useRead<Status>(() => ({ path: '/status' }));
  const problem = shallowRef<Problem | null>(null);
  const isBusy = ref(false);
  const rows = computed(() => read.data.value?.items ?? []);
  /** Why this tab may change nothing; `null` while it may, or nobody knows. */
  const refusal = computed(() => (read.error.value?.problem.status === FORBIDDEN ? read.error.value.problem : null));
  /** The token of this tab is no longer good, whatever was read with it before. */
  const isLocked = computed(() => read.error.value?.isTokenWanted ?? false);
  const isAdmin = computed(() => read.state.value === 'done' && refusal.value === null && !isLocked.value);
  /** The server asks nobody for a token. */
  const isOpen = computed(() => status.data.value?.auth === 'none');
  const own = idOf(readToken());

  async function attempt<T>(change: () => Promise<T>): Promise<T | null> {
    if (isBusy.value) return null;
    isBusy.value = true;
    problem.value = null;
    try {
      return await change();
    } catch (error) {
      problem.value = (error as ApiError).problem;
      return null;
    } finally {
      isBusy.value = false;
      read.reload();
    }
  }
  const create = (request: TokenRequest): Promise<TokenCreated | null> => attempt(() => post<TokenCreated>(PATH, request));
  const revoke = (row: TokenRow): Promise<TokenRow | null> => attempt(() => remove<TokenRow>(`${PATH}/${segment(row.id)}`));

  return { read, rows, refusal, isAdmin, isLocked, isOpen, own, problem, isBusy, create, revoke };
}
