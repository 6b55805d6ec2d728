// What time it is for the page: the server's clock, one tick a second, standing still while paused.
import { defineStore } from 'pinia';
import { computed, ref } from 'vue';

export const useTimeline = defineStore('timeline', () => {
  const offset = ref(0);
  const tick = ref(Date.now());
  const pausedAt = ref<number | null>(null);

  // The clock that ages and connection state are measured by never stops.
  const clock = computed(() => tick.value + offset.value);
  const now = computed(() => pausedAt.value ?? clock.value);
  const isPaused = computed(() => pausedAt.value !== null);

  let timer: ReturnType<typeof setInterval> | null = null;
  const beat = (): void => { tick.value = Date.now(); };

  function run(): void {
    timer ??= setInterval(beat, 1000);
    document.addEventListener('visibilitychange', () => {
      if (timer) clearInterval(timer);
      timer = document.hidden ? null : setInterval(beat, 1000);
      if (!document.hidden) beat();
    });
  }

  function pause(): void { pausedAt.value = clock.value; }
  function resume(): void { pausedAt.value = null; }
  function toggle(): void { if (isPaused.value) resume(); else pause(); }

  return { offset, clock, now, isPaused, pausedAt, run, pause, resume, toggle };
});
