// What a person sets once and keeps in this browser: theme, time zone, sizes.
import { defineStore } from 'pinia';
import { computed, reactive, watch } from 'vue';

import type { Zone } from './moment';

export type Theme = 'system' | 'light' | 'dark';

interface Preferences {
  theme: Theme;
  zone: Zone;
  panelWidth: number;
  isRailNarrow: boolean;
  isLogWrapped: boolean;
}

const KEY = 'sentinel.preferences';
const DEFAULTS: Preferences = { theme: 'system', zone: 'local', panelWidth: 620, isRailNarrow: false, isLogWrapped: false };

function read(): Preferences {
  try {
    return { ...DEFAULTS, ...(JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<Preferences>) };
  } catch {
    return { ...DEFAULTS };
  }
}

export const usePreferences = defineStore('preferences', () => {
  const kept = reactive(read());
  const system = matchMedia('(prefers-color-scheme: dark)');
  const seen = reactive({ isSystemDark: system.matches });
  system.addEventListener('change', (event) => { seen.isSystemDark = event.matches; });
  const isDark = computed(() => kept.theme === 'dark' || (kept.theme === 'system' && seen.isSystemDark));

  watch(kept, () => localStorage.setItem(KEY, JSON.stringify(kept)));
  watch(isDark, (dark) => { document.documentElement.dataset.theme = dark ? 'dark' : 'light'; }, { immediate: true });

  function nextTheme(): Theme {
    const order: Theme[] = ['system', 'light', 'dark'];
    kept.theme = order[(order.indexOf(kept.theme) + 1) % order.length] ?? 'system';
    return kept.theme;
  }

  return { kept, isDark, nextTheme };
});
