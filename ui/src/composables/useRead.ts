// One REST read as a state machine, over the query cache: deduplicated, kept while new data loads.
import { keepPreviousData, useQuery } from '@tanstack/vue-query';
import { computed, type ComputedRef } from 'vue';

import { type ApiError, get, type Query } from '../api/http';
import type { State } from './useCollection';
import { useTimeline } from './useTimeline';

export interface Read { path: string; query?: Query }
export interface ReadResult<T> {
  state: ComputedRef<State>;
  data: ComputedRef<T | null>;
  error: ComputedRef<ApiError | null>;
  /** Shown data belongs to the previous question, or is older than the last failed attempt. */
  isStale: ComputedRef<boolean>;
  reload: () => void;
  /** As `reload`, for those who wait for the answer, whatever it is. */
  reread: () => Promise<void>;
}

/** `everySeconds` rereads while the page is not paused; 0 never does. */
export function useRead<T>(source: () => Read | null, everySeconds: () => number = () => 0): ReadResult<T> {
  const timeline = useTimeline();
  const read = computed(source);
  const query = useQuery<T, ApiError>({
    queryKey: computed(() => ['read', read.value?.path ?? '', read.value?.query ?? {}]),
    queryFn: ({ signal }) => get<T>(read.value?.path ?? '/', read.value?.query, signal),
    enabled: computed(() => read.value !== null),
    placeholderData: keepPreviousData,
    structuralSharing: false,
    refetchInterval: () => (timeline.isPaused || everySeconds() === 0 ? false : everySeconds() * 1000),
  });
  const state = computed<State>(() => {
    if (read.value === null) return 'idle';
    if (query.data.value !== undefined && query.data.value !== null) return 'done';
    return query.error.value ? 'error' : 'loading';
  });
  return {
    state,
    data: computed(() => (read.value === null ? null : ((query.data.value as T | undefined) ?? null))),
    error: computed(() => query.error.value),
    isStale: computed(() => query.isPlaceholderData.value || (query.error.value !== null && query.data.value !== undefined)),
    reload: () => void query.refetch(),
    reread: async () => { await query.refetch(); },
  };
}
