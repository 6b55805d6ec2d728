// Columns of the table of nodes.
import type { NodeRow } from '../../api/types';
import type { SortValue } from '../../composables/sorting';
import { nodeTone, toneRank } from '../../composables/status';
import type { Column } from '../table/column';

const share = (part: number | null, whole: number | null): number | null => (part === null || !whole ? null : part / whole);

export const NODE_SORTS: Record<string, (node: NodeRow) => SortValue> = {
  name: (node) => node.name,
  status: (node) => toneRank(nodeTone(node)),
  roles: (node) => node.roles.join(','),
  pods: (node) => node.n_pods,
  cpu: (node) => share(node.usage.cpu.used, node.usage.cpu.allocatable),
  'cpu-requested': (node) => share(node.usage.cpu.requested, node.usage.cpu.allocatable),
  memory: (node) => share(node.usage.memory.used, node.usage.memory.allocatable),
  'memory-requested': (node) => share(node.usage.memory.requested, node.usage.memory.allocatable),
  version: (node) => node.kubelet_version,
  age: (node) => node.created,
};

const column = (key: string, title: string, width: string, more: Partial<Column<NodeRow>> = {}): Column<NodeRow> => ({ key, title, width, ...more, ...(NODE_SORTS[key] ? { sortBy: NODE_SORTS[key] } : {}) });

export const NODE_COLUMNS: readonly Column<NodeRow>[] = [
  column('name', 'Name', 'minmax(150px, 1.6fr)'),
  column('status', 'Status', 'minmax(150px, 1.4fr)'),
  column('roles', 'Roles', 'minmax(80px, 0.8fr)', { from: 1000 }),
  column('pods', 'Pods', '76px', { isNumber: true, from: 640 }),
  column('cpu', 'CPU', 'minmax(120px, 1fr)', { isNumber: true, unit: 'cores' }),
  column('cpu-requested', 'requested', '72px', { isNumber: true, unit: '%', from: 900 }),
  column('memory', 'Memory', 'minmax(120px, 1fr)', { isNumber: true, unit: 'GiB' }),
  column('memory-requested', 'requested', '72px', { isNumber: true, unit: '%', from: 900 }),
  column('version', 'Kubelet', '84px', { from: 780 }),
  column('age', 'Age', '52px', { isNumber: true, from: 700 }),
];
