// @vitest-environment node
import { describe, expect, it } from 'vitest';

import { faults, readSheet, readTable, sheet } from '../../scripts/tokens.mjs';

describe('tokens', () => {
  it('hold every contrast and distance in both themes', () => {
    expect(faults(readTable())).toEqual([]);
  });

  it('are written to the style sheet', () => {
    expect(readSheet()).toBe(sheet(readTable()));
  });
});
