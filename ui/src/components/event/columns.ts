// Columns of the event stream. It is in order of time, always; other orders are what facets are for.
import type { EventRow } from '../../api/types';
import type { Column } from '../table/column';

export const EVENT_COLUMNS: readonly Column<EventRow>[] = [
  { key: 'time', title: 'Last seen', width: '72px', isNumber: true },
  { key: 'type', title: 'Type', width: '64px', from: 760 },
  { key: 'reason', title: 'Reason', width: 'minmax(130px, 0.8fr)' },
  { key: 'object', title: 'Object', width: 'minmax(170px, 1.2fr)', from: 620 },
  { key: 'message', title: 'Message', width: 'minmax(200px, 3fr)' },
  { key: 'namespace', title: 'Namespace', width: 'minmax(80px, 0.6fr)', from: 900 },
  { key: 'count', title: 'Count', width: '52px', isNumber: true },
];
