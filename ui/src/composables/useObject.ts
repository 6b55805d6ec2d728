// One object in a panel: read, reread every few seconds, and at once when the live connection says it changed.
import { onScopeDispose } from 'vue';

import { segment } from '../api/http';
import type { PanelTarget } from './usePanel';
import { useLive } from './useLive';
import { type ReadResult, useRead } from './useRead';

const KINDS = { pod: 'Pod', node: 'Node' } as const;
const SECONDS = 5;
/** Several changes of one object come together; they are read once. */
const SETTLE_MS = 200;

function pathOf(target: PanelTarget): string {
  if (target.type === 'pod') return `/pods/${segment(target.namespace)}/${segment(target.name)}`;
  if (target.type === 'node') return `/nodes/${segment(target.name)}`;
  if (target.type === 'object') return `/objects/${segment(target.kind)}/${segment(target.namespace)}/${segment(target.name)}`;
  return `/workloads/${segment(target.kind)}/${segment(target.namespace)}/${segment(target.name)}`;
}

interface Item { row: { name: string; namespace?: string; workload?: string } }

export function useObject<T>(target: () => PanelTarget): ReadResult<T> {
  const result = useRead<T>(() => ({ path: pathOf(target()), query: { cluster: target().cluster || null } }), () => SECONDS);
  let timer: ReturnType<typeof setTimeout> | null = null;
  const readSoon = (): void => {
    timer ??= setTimeout(() => {
      timer = null;
      result.reload();
    }, SETTLE_MS);
  };
  useLive<Item>(() => {
    const { type, cluster, namespace, kind, name } = target();
    return {
      topic: 'objects',
      filter: { kinds: type === 'workload' ? [kind, 'Pod'] : [type === 'object' ? kind : KINDS[type as 'pod' | 'node']], clusters: cluster ? [cluster] : [], namespaces: namespace ? [namespace] : [] },
      onItems: ({ items }) => { if (items.some(({ row }) => row.name === name || (type === 'workload' && row.workload === name))) readSoon(); },
      onGap: readSoon,
    };
  });
  onScopeDispose(() => { if (timer) clearTimeout(timer); });
  return result;
}
