// The one file of the page that knows the live connection.
import { defineStore } from 'pinia';
import { computed, onScopeDispose, ref, watch } from 'vue';

import { BASE, get, post, queryText, readToken } from '../api/http';
import { LiveClient, type Phase, type Socket, type Subscription } from '../api/live';
import type { Pipeline, Status } from '../api/types';
import { useTimeline } from './useTimeline';

async function open(nFailed: number): Promise<Socket> {
  let ticket: string | null = null;
  // A browser does not say why a WebSocket was refused; this does.
  if (nFailed > 0 && !readToken()) await get('/status');
  if (readToken()) ticket = (await post<{ ticket: string }>('/ws-ticket')).ticket;
  const address = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}${BASE}/ws${queryText({ ticket })}`;
  return new WebSocket(address, 'sentinel.v1') as unknown as Socket;
}

const client = new LiveClient({ open, now: () => Date.now(), random: () => Math.random() });

/** What the bar says about the connection and about the age of what is shown. */
export const useConnection = defineStore('connection', () => {
  const timeline = useTimeline();
  const phase = ref<Phase>('connecting');
  const since = ref(Date.now());
  const isSimulated = ref(false);
  const newest = ref<number | null>(null);
  const pipeline = ref<Pipeline | null>(null);
  const mode = ref('');
  /** What is shown was recorded earlier: nothing new comes in, and its times are past. */
  const isRecording = computed(() => mode.value === 'replay');
  const age = computed(() => (newest.value === null ? null : Math.max(0, timeline.clock - newest.value)));

  function start(): void {
    client.watch((state) => {
      phase.value = state.phase;
      since.value = state.since;
      isSimulated.value = state.isSimulated;
      timeline.offset = state.offset;
    });
    client.subscribe<Pipeline>({
      topic: 'pipeline',
      filter: {},
      maxRate: 1,
      onItems: ({ items, timeMs }) => {
        const status = items.at(-1);
        if (!status) return;
        pipeline.value = status;
        const seen = status.stages.find((stage) => stage.id === 'api')?.newest_age_s ?? null;
        if (seen !== null) newest.value = timeMs - seen * 1000;
      },
    });
    client.start();
    // A server that refuses says so elsewhere; without this answer the page is that of a live cluster.
    get<Status>('/status').then((status) => { mode.value = status.mode; }, () => undefined);
    addEventListener('online', () => client.retry());
    document.addEventListener('visibilitychange', () => { if (!document.hidden) client.retry(); });
  }

  return { phase, since, isSimulated, isRecording, newest, age, pipeline, start, retry: () => client.retry() };
});

/**
 * Subscribes while the component lives and `source` gives a subscription. While the page is paused nothing is
 * handed over; afterwards `onGap` says that what is shown must be read again.
 */
export function useLive<T>(source: () => Subscription<T> | null): void {
  const timeline = useTimeline();
  let end: (() => void) | null = null;
  let wasHeld = false;
  let current: Subscription<T> | null = null;

  const stopWatch = watch(
    () => {
      const wanted = source();
      return wanted === null ? '' : JSON.stringify([wanted.topic, wanted.filter, wanted.maxRate]);
    },
    () => {
      end?.();
      const subscription = source();
      current = subscription;
      end = subscription === null ? null : client.subscribe<T>({
        ...subscription,
        onItems: (delivery) => {
          if (timeline.isPaused) wasHeld = true;
          else subscription.onItems(delivery);
        },
        onGap: (missed) => {
          if (timeline.isPaused) wasHeld = true;
          else subscription.onGap?.(missed);
        },
      });
    },
    { immediate: true },
  );
  watch(() => timeline.isPaused, (isPaused) => {
    if (isPaused || !wasHeld) return;
    wasHeld = false;
    current?.onGap?.(null);
  });
  onScopeDispose(() => {
    stopWatch();
    end?.();
  });
}
