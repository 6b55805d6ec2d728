import { mount } from '@vue/test-utils';
import { createPinia, setActivePinia } from 'pinia';
import { beforeEach, describe, expect, it } from 'vitest';
import { nextTick } from 'vue';

import { useConnection } from '../../composables/useLive';
import { useTimeline } from '../../composables/useTimeline';
import FrameConnection from './FrameConnection.vue';

describe('FrameConnection', () => {
  beforeEach(() => setActivePinia(createPinia()));
  const text = (): string => mount(FrameConnection).get('.long').text();

  it('does not say live before it is', () => {
    expect(text()).toBe('Connecting');
  });

  it('does not say live while nothing has been measured', () => {
    useConnection().phase = 'live';
    expect(text()).toBe('Connected, no data yet');
  });

  it('says how old the newest datum is', () => {
    const connection = useConnection();
    connection.phase = 'live';
    connection.newest = useTimeline().clock - 2000;
    expect(text()).toBe('Live 2 s');
    connection.newest = useTimeline().clock - 42_000;
    expect(text()).toBe('Connected, data 42 s old');
    connection.phase = 'reconnecting';
    expect(text()).toBe('Reconnecting, data 42 s old');
  });

  it('says that it is paused', async () => {
    const connection = useConnection();
    connection.phase = 'live';
    const shown = mount(FrameConnection);
    useTimeline().pause();
    await nextTick();
    expect(shown.get('.long').text()).toBe('Paused, 0 s behind');
  });
});
