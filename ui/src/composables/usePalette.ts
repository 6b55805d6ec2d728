// What the palette finds: screens, objects of the scope, namespaces, actions.
import { computed, type Ref } from 'vue';
import { useRouter } from 'vue-router';

import type { NamespaceRow, Page } from '../api/types';
import type { IconName } from '../components/base/BaseIcon.vue';
import { SCREENS } from '../router';
import { copyText } from './download';
import { fuzzySort } from './fuzzy';
import { useNodes, usePods, useWorkloads } from './useCollection';
import { useFrame } from './useFrame';
import { targetOf, usePanel } from './usePanel';
import { usePreferences } from './usePreferences';
import { useRead } from './useRead';
import { useScope } from './useScope';
import { useTimeline } from './useTimeline';

export interface PaletteEntry { id: string; icon: IconName; text: string; aside: string; isMono: boolean; run: () => void }
export interface PaletteGroup { title: string; entries: PaletteEntry[] }

const N_OBJECTS = 8;

export function usePalette(typed: Ref<string>) {
  const router = useRouter();
  const frame = useFrame();
  const timeline = useTimeline();
  const preferences = usePreferences();
  const { carried, namespaces } = useScope();
  const { linkTo } = usePanel();
  const pods = usePods();
  const workloads = useWorkloads();
  const nodes = useNodes();
  const spaces = useRead<Page<NamespaceRow>>(() => ({ path: '/namespaces', query: { limit: 5000 } }));

  const screens = computed<PaletteEntry[]>(() => SCREENS.map((screen): PaletteEntry => ({
    id: screen.name, icon: screen.icon, text: screen.title, aside: `g ${screen.key}`, isMono: false,
    run: () => void router.push({ name: screen.name, query: carried.value }),
  })));
  const actions = computed<PaletteEntry[]>(() => [
    { id: 'pause', icon: timeline.isPaused ? 'play' : 'pause', text: timeline.isPaused ? 'Resume live data' : 'Pause live data', aside: 'p', isMono: false, run: () => timeline.toggle() },
    { id: 'theme', icon: 'theme', text: 'Change theme', aside: 't', isMono: false, run: () => void preferences.nextTheme() },
    { id: 'zone', icon: 'clock', text: preferences.kept.zone === 'utc' ? 'Show local time' : 'Show UTC', aside: '', isMono: false, run: () => { preferences.kept.zone = preferences.kept.zone === 'utc' ? 'local' : 'utc'; } },
    { id: 'address', icon: 'link', text: 'Copy the address of this view', aside: '', isMono: false, run: () => void copyText(location.href) },
    { id: 'keys', icon: 'keyboard', text: 'Keyboard', aside: '?', isMono: false, run: () => { frame.isHelpOpen = true; } },
  ]);

  function openObject(kind: string, cluster: string, namespace: string, name: string): void {
    const target = targetOf(kind, cluster, namespace, name);
    if (target) void router.push(linkTo(target));
  }

  function objects<T extends { cluster: string; name: string; namespace?: string }>(rows: readonly T[], kindOf: (row: T) => string, icon: IconName): PaletteEntry[] {
    return fuzzySort(typed.value, rows, (row) => row.name, N_OBJECTS).map((row): PaletteEntry => ({
      id: `${kindOf(row)}/${row.cluster}/${row.namespace ?? ''}/${row.name}`.replace(/[^\w./-]/g, '_'),
      icon, text: row.name, aside: [kindOf(row), row.namespace].filter(Boolean).join(' · '), isMono: true,
      run: () => openObject(kindOf(row), row.cluster, row.namespace ?? '', row.name),
    }));
  }

  const groups = computed<PaletteGroup[]>(() => {
    const query = typed.value;
    const most = query ? 4 : 20;
    const found: PaletteGroup[] = [
      { title: 'Go to', entries: fuzzySort(query, screens.value, (entry) => entry.text, most) },
      { title: 'Actions', entries: fuzzySort(query, actions.value, (entry) => entry.text, most) },
    ];
    if (query.trim() !== '') {
      found.unshift(
        { title: 'Workloads', entries: objects(workloads.rows.value, (row) => row.kind, 'workloads') },
        { title: 'Pods', entries: objects(pods.rows.value, () => 'Pod', 'workloads') },
        { title: 'Nodes', entries: objects(nodes.rows.value, () => 'Node', 'nodes') },
      );
      found.push({
        title: 'Namespaces',
        entries: fuzzySort(query, [...new Set((spaces.data.value?.items ?? []).map((row) => row.name))], (name) => name, 5).map((name): PaletteEntry => ({
          id: `ns-${name}`, icon: 'filter', text: name, aside: 'show only this', isMono: true, run: () => { namespaces.value = [name]; },
        })),
      });
    }
    return found.filter((group) => group.entries.length > 0);
  });
  return { groups };
}
