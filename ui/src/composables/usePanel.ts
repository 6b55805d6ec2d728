// The side panel: which object it shows stands in the address, so that it can be linked and left by Back.
import { computed } from 'vue';
import type { LocationQueryRaw } from 'vue-router';

import { useAddress } from './useAddress';

/** `pod/cluster/namespace/name`; nodes have no namespace, workloads and other objects have their kind before it. */
export interface PanelTarget { type: 'pod' | 'node' | 'workload' | 'object' | 'dead-letter'; cluster: string; namespace: string; kind: string; name: string }

const encode = (text: string): string => encodeURIComponent(text === '' ? '_' : text);
const decode = (text: string | undefined): string => {
  const plain = decodeURIComponent(text ?? '');
  return plain === '_' ? '' : plain;
};

export function panelText(target: PanelTarget): string {
  const parts = target.type === 'workload' || target.type === 'object'
    ? [target.type, target.cluster, target.kind, target.namespace, target.name]
    : [target.type, target.cluster, target.namespace, target.name];
  return parts.map(encode).join('/');
}

export function parsePanel(text: string): PanelTarget | null {
  const parts = text.split('/');
  const type = parts[0];
  if ((type === 'workload' || type === 'object') && parts.length === 5) {
    return { type, cluster: decode(parts[1]), kind: decode(parts[2]), namespace: decode(parts[3]), name: decode(parts[4]) };
  }
  if ((type === 'pod' || type === 'node' || type === 'dead-letter') && parts.length === 4) {
    return { type, cluster: decode(parts[1]), kind: '', namespace: decode(parts[2]), name: decode(parts[3]) };
  }
  return null;
}

const WORKLOADS = ['Deployment', 'StatefulSet', 'DaemonSet', 'Job', 'CronJob', 'ReplicaSet'];

/** The panel for an object of any kind; `null` for nothing. */
export function targetOf(kind: string, cluster: string, namespace: string, name: string): PanelTarget | null {
  if (kind === '' || name === '') return null;
  if (kind === 'Pod') return { type: 'pod', cluster, namespace, kind: '', name };
  if (kind === 'Node') return { type: 'node', cluster, namespace: '', kind: '', name };
  if (WORKLOADS.includes(kind)) return { type: 'workload', cluster, namespace, kind, name };
  return { type: 'object', cluster, namespace, kind, name };
}

export function usePanel() {
  const { route, set, param } = useAddress();
  const panel = param('panel');
  const tab = param('tab', 'summary');
  const target = computed(() => parsePanel(panel.value));

  function open(next: PanelTarget, onTab: string | null = null): void {
    const text = panelText(next);
    if (text === panel.value && onTab === null) return;
    set({ panel: text, tab: onTab ?? (target.value?.type === next.type && tab.value !== 'summary' ? tab.value : null) }, panel.value === '');
  }
  /** Not a step of its own: Back after it must not open the panel again. */
  const close = (): void => set({ panel: null, tab: null, container: null });
  /** A link that opens the panel over the page one is on. */
  const linkTo = (next: PanelTarget, onTab: string | null = null): { query: LocationQueryRaw } => {
    const { tab: _tab, container: _container, ...rest } = route.query;
    return { query: { ...rest, panel: panelText(next), ...(onTab ? { tab: onTab } : {}) } };
  };

  return { panel, tab, target, open, close, linkTo };
}
