// What a table is told about a column.
import type { SortValue } from '../../composables/sorting';

export interface Column<T> {
  key: string;
  title: string;
  unit?: string;
  /** A track of the grid, such as `minmax(120px, 2fr)`. */
  width: string;
  isNumber?: boolean;
  sortBy?: (row: T) => SortValue;
  /** Shown only when the table is at least this wide. */
  from?: number;
}
