// What the keyboard in front of the page calls its keys.

/** The key that is held for commands. */
export const commandKey = (platform: string): string => (/Mac|iPhone|iPad/.test(platform) ? '⌘' : 'Ctrl');

export const COMMAND = commandKey(navigator.platform);
