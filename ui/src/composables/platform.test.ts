import { describe, expect, it } from 'vitest';

import { commandKey } from './platform';

describe('platform', () => {
  it('knows what the command key is called', () => {
    expect(['MacIntel', 'Linux x86_64', 'Win32'].map(commandKey)).toEqual(['⌘', 'Ctrl', 'Ctrl']);
  });
});
