// What the specs run against: a running binary when its address is given, else the mock.
import { spawn, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { type Mock, startMock } from './mock-server';

export const REAL = process.env.SENTINEL_URL ?? '';
/** The binary itself, for specs that stop and start it. */
export const BINARY = process.env.SENTINEL_BIN ?? '';
/** The real binary needs some seconds for its first windows. */
export const PATIENCE = REAL ? 45_000 : 8000;
export const FIRST_ROW = '[role=row][aria-rowindex="2"]';

export interface World { url: string; mock: Mock | null; close: () => Promise<void> }

export async function openWorld(): Promise<World> {
  if (REAL !== '') return { url: REAL, mock: null, close: () => Promise.resolve() };
  const mock = await startMock();
  return { url: mock.url, mock, close: () => mock.close() };
}

export interface Running { url: string; kill: () => Promise<void> }

/** A demo of its own; resolves when it has said where it answers. */
export async function startBinary(folder: string, { listen = '127.0.0.1:0', token = '' } = {}): Promise<Running> {
  const config = join(folder, 'sentinel.toml');
  writeFileSync(config, token === '' ? '' : `[api]\ntoken = ${JSON.stringify(token)}\n`);
  const child: ChildProcess = spawn(BINARY, ['demo', '--config', config, '--listen', listen, '--data-dir', join(folder, 'data')], { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
  };
  const url = await new Promise<string>((resolve, reject) => {
    let said = '';
    child.stdout?.on('data', (text: Buffer) => {
      said += text.toString();
      const found = /http:\/\/[\w.:]+/.exec(said);
      if (found) resolve(found[0]);
    });
    child.once('exit', (code) => reject(new Error(`the binary ended with ${code}: ${said}`)));
  });
  return { url, kill };
}
