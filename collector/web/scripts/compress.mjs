// Writes a .gz and a .br beside every built file that shrinks, so that the collector, which does not compress itself, can send
// them as they are; then says what a browser loads.  Runs after `vite build`.
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const root = fileURLToPath(new URL("../dist", import.meta.url));
const compressible = /\.(html|js|css|svg|json|webmanifest|txt)$/;

function walk(dir) {
  return readdirSync(dir).flatMap((name) => {
    const path = join(dir, name);
    return statSync(path).isDirectory() ? walk(path) : [path];
  });
}

let raw = 0;
let gzip = 0;
let brotli = 0;
const rows = [];
for (const path of walk(root).filter((p) => compressible.test(p)).sort()) {
  const body = readFileSync(path);
  const gz = gzipSync(body, { level: 9 });
  const br = brotliCompressSync(body, {
    params: {
      // 9 of 11: within a few per cent of the best for a tenth of the time.
      [constants.BROTLI_PARAM_QUALITY]: 9,
      [constants.BROTLI_PARAM_SIZE_HINT]: body.length,
    },
  });
  if (gz.length < body.length) writeFileSync(`${path}.gz`, gz);
  if (br.length < body.length) writeFileSync(`${path}.br`, br);
  raw += body.length;
  gzip += gz.length;
  brotli += br.length;
  rows.push([relative(root, path), body.length, gz.length]);
}

const html = readFileSync(join(root, "index.html"), "utf8");
if (/<script(?![^>]*\bsrc=)[^>]*>/.test(html)) {
  console.error("compress: index.html has an inline script, which the Content-Security-Policy forbids");
  process.exit(1);
}
const entry = rows.filter(([name]) => html.includes(name)).reduce((sum, [, , gz]) => sum + gz, 0);
const kb = (n) => `${(n / 1000).toFixed(1)} kB`;
console.log(`compress: sign-in page loads ${kb(entry)} gzip; all files ${kb(gzip)} gzip, ${kb(brotli)} brotli, ${kb(raw)} raw`);
