// The keyboard: one listener, sequences of one or two keys, silent while a person types.
import { onScopeDispose } from 'vue';

type Action = (event: KeyboardEvent) => boolean | undefined;
const actions = new Map<string, Action[]>();
const SEQUENCE_MS = 900;
let prefix = '';
let prefixAt = 0;

function isTyping(event: KeyboardEvent): boolean {
  const target = event.target;
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName);
}

const isOpen = (): boolean => document.querySelector('[role="dialog"][data-modal],[role="menu"],[data-floating]') !== null;

export function keyOf(event: KeyboardEvent): string {
  const command = event.metaKey || event.ctrlKey ? 'mod+' : '';
  return command + (event.key.length === 1 ? event.key.toLowerCase() : event.key);
}

function run(key: string, event: KeyboardEvent): boolean {
  const stack = actions.get(key);
  // The newest first: a panel's esc before the page's.
  for (const action of [...(stack ?? [])].reverse()) {
    if (action(event) !== false) {
      event.preventDefault();
      return true;
    }
  }
  return false;
}

function onKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.altKey) return;
  const key = keyOf(event);
  if (key.startsWith('mod+')) {
    run(key, event);
    return;
  }
  if (isOpen() || (isTyping(event) && key !== 'Escape')) return;
  if (isTyping(event)) {
    (event.target as HTMLElement).blur();
    return;
  }
  const now = performance.now();
  const sequence = prefix !== '' && now - prefixAt < SEQUENCE_MS ? `${prefix} ${key}` : key;
  prefix = '';
  if (run(sequence, event)) return;
  if (key === 'g') {
    prefix = key;
    prefixAt = now;
  }
}

let isListening = false;

/** `false` from an action hands the key on to the next one. */
export function useShortcuts(keys: Record<string, Action>): void {
  if (!isListening) addEventListener('keydown', onKey);
  isListening = true;
  for (const [key, action] of Object.entries(keys)) actions.set(key, [...(actions.get(key) ?? []), action]);
  onScopeDispose(() => {
    for (const [key, action] of Object.entries(keys)) actions.set(key, (actions.get(key) ?? []).filter((other) => other !== action));
  });
}
