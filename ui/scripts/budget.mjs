// Weighs the build: what a first visit loads, and each chunk that a screen adds. Fails above the budget.
import { readdirSync, readFileSync } from 'node:fs';
import { exit, stdout } from 'node:process';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const KB = 1000;
const INITIAL = 150 * KB;
const CHUNK = 60 * KB;
const dist = fileURLToPath(new URL('../dist/', import.meta.url));
const weigh = (file) => gzipSync(readFileSync(dist + file)).length;

const page = readFileSync(`${dist}index.html`, 'utf8');
const initial = [...page.matchAll(/(?:src|href)="\/(assets\/[^"]+\.js)"/g)].map((match) => match[1]);
const total = initial.reduce((sum, file) => sum + weigh(file), 0);
const chunks = readdirSync(`${dist}assets`).filter((name) => name.endsWith('.js') && !initial.includes(`assets/${name}`)).map((name) => ({ name, size: weigh(`assets/${name}`) }));

let isOver = total > INITIAL;
stdout.write(`initial JS ${(total / KB).toFixed(1)} kB of ${INITIAL / KB} kB gzip (${initial.length} files)\n`);
for (const { name, size } of chunks.sort((a, b) => b.size - a.size).slice(0, 5)) {
  stdout.write(`  ${(size / KB).toFixed(1).padStart(6)} kB  ${name}\n`);
  isOver ||= size > CHUNK;
}
if (/<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=/.test(page)) {
  stdout.write('index.html holds inline script or style: it would not run under the policy\n');
  isOver = true;
}
exit(isOver ? 1 : 0);
