declare module '*/gen.mjs' {
  export function hasDocument(): boolean;
  export function readSchema(): string;
  export function schema(): Promise<string>;
}

declare module '*/tokens.mjs' {
  export type Table = Record<string, unknown>;
  export function faults(table: Table): string[];
  export function readSheet(): string;
  export function readTable(): Table;
  export function sheet(table: Table): string;
}
