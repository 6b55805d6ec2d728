// The revisions of a Deployment, newest first, read from its ReplicaSets.
import { type ComputedRef, computed, shallowRef, watch } from 'vue';

import { get, segment } from '../api/http';
import type { ObjectDetail, ObjectRow, Page } from '../api/types';
import type { PanelTarget } from './usePanel';
import { type ReadResult, useRead } from './useRead';

export interface Revision { name: string; number: number | null; created: string | null; images: string[]; desired: number; ready: number }

const MOST = 10;
const REVISION = 'deployment.kubernetes.io/revision';
interface ReplicaSet {
  metadata?: { annotations?: Record<string, string> };
  spec?: { replicas?: number; template?: { spec?: { containers?: { image?: string }[] } } };
  status?: { readyReplicas?: number };
}

export function revisionOf({ name, created, manifest }: Pick<ObjectDetail, 'name' | 'created' | 'manifest'>): Revision {
  const set = manifest as ReplicaSet;
  const number = Number(set.metadata?.annotations?.[REVISION]);
  const images = (set.spec?.template?.spec?.containers ?? []).flatMap((container) => container.image ?? []);
  return { name, number: Number.isFinite(number) ? number : null, created, images, desired: set.spec?.replicas ?? 0, ready: set.status?.readyReplicas ?? 0 };
}

export function useRollouts(target: () => PanelTarget): { read: ReadResult<Page<ObjectRow>>; revisions: ComputedRef<readonly Revision[] | null> } {
  const read = useRead<Page<ObjectRow>>(() => (target().kind === 'Deployment' ? { path: '/objects/ReplicaSet', query: { cluster: target().cluster || null, namespace: [target().namespace], q: target().name, limit: 500 } } : null), () => 10);
  const found = shallowRef<Revision[] | null>(null);
  watch(read.data, async (page) => {
    if (!page) return;
    const own = page.items.filter((row) => row.workload === target().name).sort((a, b) => ((a.created ?? '') < (b.created ?? '') ? 1 : -1)).slice(0, MOST);
    const answers = await Promise.allSettled(own.map((row) => get<ObjectDetail>(`/objects/ReplicaSet/${segment(row.namespace)}/${segment(row.name)}`, { cluster: row.cluster })));
    found.value = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [revisionOf(answer.value)] : [])).sort((a, b) => (b.number ?? 0) - (a.number ?? 0));
  }, { immediate: true });
  return { read, revisions: computed(() => found.value) };
}
