// A server that answers like the real one, with made-up data: for work on the page and for its specs. Never shipped.
//   npm run mock -- [--port 7701] [--pods 200]
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';

import { MockCluster } from './mock/cluster';
import { MockApi } from './mock/routes';
import { MockMetrics } from './mock/series';
import type { Sent } from './mock/settings';
import { serveSocket } from './mock/socket';

const DIST = fileURLToPath(new URL('../dist', import.meta.url));
const TYPES: Record<string, string> = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2' };
/** The policy that the page must live with. */
export const POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const TICKET = 'one-time';

function fileOf(path: string): string {
  const file = join(DIST, normalize(path));
  return file.startsWith(DIST) && existsSync(file) && extname(file) !== '' ? file : join(DIST, 'index.html');
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return parts.length === 0 ? null : JSON.parse(Buffer.concat(parts).toString());
}

export interface Mock { server: Server; url: string; close: () => Promise<void>; dropClients: () => void }

export async function startMock(options: { port?: number; pods?: number; token?: string } = {}): Promise<Mock> {
  const cluster = new MockCluster(options.pods ?? 70);
  const api = new MockApi(cluster, new MockMetrics(cluster), options.token !== undefined);
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://mock');
    if (url.pathname.startsWith('/api/v1/')) {
      const token = request.headers.authorization?.replace(/^Bearer /, '') ?? '';
      const role = options.token === undefined || token === options.token ? 'admin' : api.settings.roleOf(token);
      if (role === null) {
        response.writeHead(401, { 'content-type': 'application/problem+json' }).end(JSON.stringify({ title: 'Unauthorized', status: 401, code: 'unauthorized' }));
        return;
      }
      if (url.pathname === '/api/v1/ws-ticket') {
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ ticket: TICKET, expires_at: new Date(Date.now() + 30_000).toISOString() }));
        return;
      }
      const sent: Sent = { body: await bodyOf(request), ifMatch: request.headers['if-match'], by: options.token === undefined ? 'anybody (no token is asked for)' : 'api.token', role };
      const { status, body } = api.handle(request.method ?? 'GET', url.pathname.slice('/api/v1'.length), url.searchParams, sent);
      response.writeHead(status, { 'content-type': status < 400 ? 'application/json' : 'application/problem+json' }).end(JSON.stringify(body));
      return;
    }
    const file = fileOf(url.pathname);
    response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream', 'content-security-policy': POLICY }).end(readFileSync(file));
  });
  const mayEnter = ({ req }: { req: IncomingMessage }): boolean => options.token === undefined || new URL(req.url ?? '/', 'http://mock').searchParams.get('ticket') === TICKET;
  const sockets = new WebSocketServer({ server, path: '/api/v1/ws', verifyClient: mayEnter });
  sockets.on('connection', (socket) => serveSocket(api, socket));
  await new Promise<void>((resolve) => { server.listen(options.port ?? 0, '127.0.0.1', resolve); });
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const dropClients = (): void => { for (const client of sockets.clients) client.terminate(); };
  return {
    server,
    url: `http://127.0.0.1:${port}`,
    dropClients,
    close: () => new Promise((resolve) => {
      dropClients();
      server.closeAllConnections();
      server.close(() => resolve());
    }),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const flag = (name: string): number | undefined => {
    const i = process.argv.indexOf(`--${name}`);
    return i < 0 ? undefined : Number(process.argv[i + 1]);
  };
  const mock = await startMock({ port: flag('port') ?? 7701, pods: flag('pods') ?? 70 });
  process.stdout.write(`${mock.url}\n`);
}
