// The overview's reading: every few seconds, and soon after an object changed or a warning came in.
import { onScopeDispose } from 'vue';

import type { Overview } from '../api/types';
import { WORKLOAD_KINDS } from './useCollection';
import { useLive } from './useLive';
import { type ReadResult, useRead } from './useRead';
import { useScope } from './useScope';

const SECONDS = 5;
const SETTLE_MS = 700;

export function useOverview(): ReadResult<Overview> {
  const { filter } = useScope();
  const read = useRead<Overview>(() => ({ path: '/overview', query: filter.value }), () => SECONDS);
  let timer: ReturnType<typeof setTimeout> | null = null;
  const readSoon = (): void => {
    timer ??= setTimeout(() => {
      timer = null;
      read.reload();
    }, SETTLE_MS);
  };
  useLive(() => ({
    topic: 'objects',
    filter: { kinds: ['Pod', 'Node', ...WORKLOAD_KINDS], clusters: filter.value.cluster ? [filter.value.cluster] : [], namespaces: filter.value.namespace ?? [] },
    maxRate: 2,
    onItems: readSoon,
    onGap: readSoon,
  }));
  onScopeDispose(() => { if (timer) clearTimeout(timer); });
  return read;
}
