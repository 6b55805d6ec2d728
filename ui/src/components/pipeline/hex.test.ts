import { describe, expect, it } from 'vitest';

import { hexRows } from './hex';

describe('hex', () => {
  it('shows bytes beside their text', () => {
    expect(hexRows(btoa('ab\u0000'))).toEqual([{ offset: '0000', hex: '61 62 00'.padEnd(47), text: 'ab.' }]);
    expect(hexRows(btoa('x'.repeat(20))).map((row) => row.offset)).toEqual(['0000', '0010']);
  });
});
