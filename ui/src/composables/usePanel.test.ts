import { describe, expect, it } from 'vitest';

import { panelText, parsePanel, targetOf } from './usePanel';

describe('usePanel', () => {
  it('reads back every kind of target', () => {
    const targets = [
      targetOf('Pod', 'c', 'n', 'web-0'),
      targetOf('Node', 'c', '', 'node/1'),
      targetOf('DaemonSet', 'c', 'n', 'proxy'),
      targetOf('PersistentVolumeClaim', 'c', 'n', 'data %2F'),
    ];
    for (const target of targets) expect(target && parsePanel(panelText(target))).toEqual(target);
  });

  it('shows nothing for a broken address', () => {
    expect(parsePanel('pod/only')).toBeNull();
    expect(parsePanel('')).toBeNull();
    expect(targetOf('', '', '', '')).toBeNull();
  });
});
