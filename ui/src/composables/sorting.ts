// Sorting of table rows by a column, as written in the address: `cpu` ascending, `-cpu` descending.

export type SortValue = string | number | null | undefined;
export interface Sort { key: string; isDescending: boolean }

export function parseSort(text: string): Sort {
  return text.startsWith('-') ? { key: text.slice(1), isDescending: true } : { key: text, isDescending: false };
}

/** The next state of a column that was clicked: numbers start with the largest. */
export function nextSort(current: string, key: string, isNumber: boolean): string {
  const sort = parseSort(current);
  if (sort.key !== key) return isNumber ? `-${key}` : key;
  return sort.isDescending ? key : `-${key}`;
}

/** Absent values stay at the end in both directions; equal ones are ordered by `tie`, so that live rows do not jump. */
export function sorted<T>(rows: readonly T[], valueOf: ((row: T) => SortValue) | undefined, isDescending: boolean, tie: (row: T) => string): T[] {
  if (!valueOf) return [...rows];
  const sign = isDescending ? -1 : 1;
  return rows
    .map((row) => ({ row, value: valueOf(row) ?? null, tie: tie(row) }))
    .sort((a, b) => {
      if (a.value === null || b.value === null) {
        if (a.value !== b.value) return a.value === null ? 1 : -1;
      } else if (a.value < b.value) return -sign;
      else if (a.value > b.value) return sign;
      return a.tie < b.tie ? -1 : a.tie > b.tie ? 1 : 0;
    })
    .map((entry) => entry.row);
}
