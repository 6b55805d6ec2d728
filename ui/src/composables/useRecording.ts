// A recording that is played again has its own present: the page opens on the end of its data, and moves on with it
// until a person chooses a range.
import { watch } from 'vue';

import { useAddress } from './useAddress';
import { recordedRange } from './recording';
import { useConnection } from './useLive';
import { useScope } from './useScope';

export function useRecording(): void {
  const { route, router } = useAddress();
  const { setRange } = useScope();
  const connection = useConnection();
  let own: string | null = null;
  let isChosen = false;
  const shown = (): string => ['range', 'from', 'to'].map((key) => String(route.query[key] ?? '')).join(' ').trim();

  watch(() => [connection.isRecording, connection.newest] as const, async ([isRecording, newest]) => {
    if (!isRecording || newest === null || isChosen) return;
    await router.isReady();
    isChosen = shown() !== (own ?? '');
    if (isChosen) return;
    const range = recordedRange(newest);
    own = `${new Date(range.from).toISOString()} ${new Date(range.to).toISOString()}`;
    if (own !== shown()) setRange({ span: null, ...range }, false);
  }, { immediate: true });
}
