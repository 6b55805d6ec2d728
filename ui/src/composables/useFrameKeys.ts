// The keys that work on every page.
import { useRouter } from 'vue-router';

import { SCREENS } from '../router';
import { COMMAND } from './platform';
import { useFrame } from './useFrame';
import { usePreferences } from './usePreferences';
import { useScope } from './useScope';
import { useShortcuts } from './useShortcuts';
import { useTimeline } from './useTimeline';

export const KEYS: readonly { keys: string; what: string }[] = [
  { keys: `${COMMAND} K`, what: 'Find anything: objects, screens, actions' },
  { keys: '/', what: 'Filter this page' },
  ...SCREENS.map((screen) => ({ keys: `g ${screen.key}`, what: `Go to ${screen.title}` })),
  { keys: 'j k', what: 'Next, previous row' },
  { keys: '↵', what: 'Open the row' },
  { keys: '← →', what: 'Fold, unfold a row' },
  { keys: 'esc', what: 'Close the panel, leave a field' },
  { keys: '[ ]', what: 'Earlier, later by half the range' },
  { keys: 'p', what: 'Pause and resume live data' },
  { keys: 't', what: 'Theme: system, light, dark' },
  { keys: '?', what: 'This list' },
];

export function useFrameKeys(): void {
  const router = useRouter();
  const frame = useFrame();
  const timeline = useTimeline();
  const preferences = usePreferences();
  const { step, carried } = useScope();
  useShortcuts({
    'mod+k': () => { frame.isPaletteOpen = !frame.isPaletteOpen; return true; },
    '?': () => { frame.isHelpOpen = true; return true; },
    p: () => { timeline.toggle(); frame.announcement = timeline.isPaused ? 'Paused' : 'Live'; return true; },
    t: () => { frame.announcement = `Theme: ${preferences.nextTheme()}`; return true; },
    '[': () => { step(-1); return true; },
    ']': () => { step(1); return true; },
    ...Object.fromEntries(SCREENS.map((screen) => [
      `g ${screen.key}`,
      () => { void router.push({ name: screen.name, query: carried.value }); return true; },
    ])),
  });
}
