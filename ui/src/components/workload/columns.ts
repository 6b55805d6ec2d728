// Columns of the table of workloads and pods.
import { SORTS, type TreeRow } from '../../composables/workloadTree';
import type { Column } from '../table/column';

const column = (key: string, title: string, width: string, more: Partial<Column<TreeRow>> = {}): Column<TreeRow> => ({ key, title, width, ...more, ...(SORTS[key] ? { sortBy: SORTS[key] } : {}) });

export const WORKLOAD_COLUMNS: readonly Column<TreeRow>[] = [
  column('name', 'Name', 'minmax(200px, 2.4fr)'),
  column('namespace', 'Namespace', 'minmax(90px, 1fr)', { from: 760 }),
  column('ready', 'Ready', '56px', { isNumber: true }),
  column('status', 'Status', 'minmax(150px, 1.5fr)'),
  column('restarts', 'Restarts', '84px', { isNumber: true, from: 640 }),
  column('cpu', 'CPU', 'minmax(150px, 1.1fr)', { isNumber: true, unit: 'cores' }),
  column('memory', 'Memory', 'minmax(150px, 1.1fr)', { isNumber: true, unit: 'MiB', from: 820 }),
  column('node', 'Node', 'minmax(80px, 0.9fr)', { from: 1060 }),
  column('age', 'Age', '52px', { isNumber: true, from: 700 }),
];
