import { describe, expect, it } from 'vitest';

import { yamlText } from './yaml';

describe('yaml', () => {
  it('writes a manifest as kubectl would', () => {
    const text = yamlText({
      apiVersion: 'v1',
      metadata: { name: 'web-0', labels: { app: 'web' }, annotations: {} },
      spec: { containers: [{ name: 'app', args: ['--port', '80', 'a: b'], ports: [] }], replicas: 2, paused: false, nothing: null },
    });
    expect(text).toBe(`apiVersion: v1
metadata:
  name: web-0
  labels:
    app: web
  annotations: {}
spec:
  containers:
  - name: app
    args:
    - "--port"
    - "80"
    - "a: b"
    ports: []
  replicas: 2
  paused: false
  nothing: null
`);
  });

  it('quotes what would read as another type', () => {
    expect(yamlText({ a: 'true', b: '1', c: '', d: 'no', '5': 'x:' })).toBe('"5": "x:"\na: "true"\nb: "1"\nc: ""\nd: "no"\n');
  });

  it('writes long texts as blocks', () => {
    expect(yamlText({ script: 'set -e\nrun\n', tail: 'a\nb' })).toBe('script: |\n  set -e\n  run\ntail: |-\n  a\n  b\n');
  });
});
